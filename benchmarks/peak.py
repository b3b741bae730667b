"""The most memory that a process has held."""

from __future__ import annotations

import platform
from pathlib import Path

import psutil


def peak_bytes() -> int:
    """High-water mark of this process's memory."""
    if platform.system() == "Windows":
        return int(psutil.Process().memory_info().peak_wset)
    if platform.system() == "Linux":
        # Not ru_maxrss: that of a child begins with its parent's, even after exec.
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

"""What tells a process from a later one that was given its id."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def birth_of(pid: int) -> str:
    """When a process began; the same however the wall clock is set meanwhile.

    Raises
    ------
    psutil.Error
        If there is none of this id.
    """
    if sys.platform != "linux":
        return f"{psutil.Process(pid).create_time():.2f}"
    # Linux counts from its boot. psutil makes wall time of that, which moves by whatever
    # the clock is set by.
    boot_s = psutil.boot_time()
    after_s = psutil.Process(pid).create_time() - boot_s
    return f"{after_s:.2f} s into boot {BOOT_ID.read_text().strip()}"

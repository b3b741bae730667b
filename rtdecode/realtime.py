"""What a process does before it is ready, so that nothing stalls it later."""

from __future__ import annotations

import gc
import os


def raise_priority() -> bool:
    """Ask for real-time scheduling; False where the system does not allow it.

    To be called before torch is loaded and the inlets are opened: threads that
    are there already keep the old policy.
    """
    if not hasattr(os, "sched_setscheduler"):
        return False
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    except (PermissionError, OSError):
        return False
    return True


def settle() -> None:
    """No garbage collection from here on (a full one costs about 100 ms), one torch thread."""
    import torch

    torch.set_num_threads(1)
    gc.collect()
    gc.freeze()
    gc.disable()

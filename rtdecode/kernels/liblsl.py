"""liblsl's functions for compiled code, which sleeps in them and takes rows without Python.

They are named in a module, as is every kernel that calls them: one that is made
within a function, round another, is a new one to Numba in every process, which
then compiles for seconds what stands in the cache.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from llvmlite import binding
from numba import types

from rtdecode.kernels.jit import kernel

# ``unsigned long`` is 4 bytes on Windows, 8 elsewhere.
_count: Any = types.uint64 if ctypes.sizeof(ctypes.c_ulong) == 8 else types.uint32
_pointer: Any = types.CPointer
NO_STREAM = 0  # a handle of nothing: no row comes from it
_ints, _floats, _doubles = (_pointer(kind) for kind in (types.int32, types.float32, types.float64))

local_clock: Any = types.ExternalFunction("lsl_local_clock", types.float64())
"""The LSL clock, seconds."""
push_sample: Any = types.ExternalFunction(
    "lsl_push_sample_ftp", types.int32(types.intp, _floats, types.float64, types.int32)
)
"""Push one sample of floats: outlet, values, stamp, 1 to send at once; 0 or an error."""
_pull_sample: Any = types.ExternalFunction(
    "lsl_pull_sample_i",
    types.float64(types.intp, _ints, types.int32, types.float64, _ints),
)
_pull_chunk: Any = types.ExternalFunction(
    "lsl_pull_chunk_i",
    _count(types.intp, _ints, _doubles, _count, _count, types.float64, _ints),
)


def link(library: str) -> None:
    """Load liblsl for compiled code, before any that calls it.

    Raises
    ------
    RuntimeError
        If it cannot be loaded.
    """
    binding.load_library_permanently(library)


@kernel
def drain(
    handle: int,
    samples: np.ndarray[Any, np.dtype[np.int32]],
    stamps: np.ndarray[Any, np.dtype[np.float64]],
    error: np.ndarray[Any, np.dtype[np.int32]],
    wait_s: float,
) -> int:
    """Wait for rows of an inlet and take them.

    Parameters
    ----------
    handle : int
    samples : (n, 2) int32
    stamps : (n,) float64
    error : (1,) int32
        liblsl's.
    wait_s : float

    Returns
    -------
    int
        Rows taken.
    """
    if handle == NO_STREAM:
        return 0
    # Block for one row, then take what is there once: to pull again at once
    # chases the receiver row by row and ruins the tail.
    stamp = _pull_sample(handle, samples.ctypes, 2, wait_s, error.ctypes)
    if stamp == 0.0:
        return 0
    stamps[0] = stamp
    rows = len(stamps) - 1
    values = _pull_chunk(
        handle,
        samples[1:].ctypes,
        stamps[1:].ctypes,
        2 * rows,
        rows,
        0.0,
        error.ctypes,
    )
    return 1 + int(values) // 2

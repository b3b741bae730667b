"""One way to compile: no GIL, cached on disk, plain integer wrap-around."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile ``function`` for nopython use without the GIL; cached between runs."""
    return cast(Callable[P, R], numba.njit(nogil=True, cache=True)(function))

"""What a bundle's description may say: a file from elsewhere is held to it before it is used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field

from rtdecode.microseconds import US_PER_S
from rtdecode.windows import WindowSpec

MOST_COUNT = (1 << 16) - 1
DAY_US = 86_400 * US_PER_S

Values = TypeVar("Values", bound=Sequence[object])
Rows = TypeVar("Rows", bound=Sequence[Sequence[object]])


def _distinct(values: Values) -> Values:
    if len(set(values)) < len(values):
        raise ValueError("the same twice")
    return values


def _even(rows: Rows) -> Rows:
    if len(set(map(len, rows))) > 1:
        raise ValueError("rows of unequal length")
    return rows


def _within_a_day(window: WindowSpec) -> WindowSpec:
    if max(abs(window.offset_us), window.duration_us) > DAY_US:
        raise ValueError("a window beyond a day")
    return window


UnitId = Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)]
UnitIdRow = Annotated[tuple[UnitId, ...], AfterValidator(_distinct)]
ClassRow = Annotated[tuple[str, ...], AfterValidator(_distinct)]
Step = Annotated[int, Field(ge=1, lt=1 << 31)]
Count = Annotated[int, Field(ge=0, le=MOST_COUNT)]
CountRows = Annotated[tuple[tuple[Count, ...], ...], AfterValidator(_even)]
NumberRows = Annotated[tuple[tuple[float, ...], ...], AfterValidator(_even)]
Window = Annotated[WindowSpec, AfterValidator(_within_a_day)]

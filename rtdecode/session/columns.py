"""What the columns of a session's tables become: numbers or words.

Tables come with numbers written as text, ``'null'`` where a value does not
apply, flags, and text of several kinds. Here they become one of two: float64
with NaN, or text with the empty string, where there is no value.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
StrArray = NDArray[np.str_]
Column = FloatArray | StrArray

# How writers say that there is no value: Allen's tables, pandas and AllenSDK.
MISSING = ("", "null", "N/A", "nan", "NaN", "None")
FLAGS = {"", "True", "False", "true", "false"}
# No leading zeros, inf or underscores: "007", "inf" and "1_2" are names.
NUMBER = re.compile(r"[+-]?(0|[1-9]\d*|(?=\.\d))(\.\d*)?([eE][+-]?\d+)?")


def as_column(values: NDArray[np.generic]) -> Column:
    """Turn stored values into numbers, or words where they are none.

    Parameters
    ----------
    values : (rows,) bool, integer, float or str
        A flag becomes ``true`` or ``false``, as it stands in a marker's JSON.
        Text in which every value is a number becomes numbers.

    Returns
    -------
    (rows,) float64 or str
    """
    if values.dtype.kind == "b":
        return np.where(values, "true", "false").astype(np.str_)
    if values.dtype.kind != "U":
        return values.astype(np.float64)
    words, rows = np.unique(np.char.strip(values.astype(np.str_)), return_inverse=True)
    present = ~np.isin(words, MISSING)
    words = np.where(present, words, "").astype(np.str_)
    if set(words.tolist()) <= FLAGS:
        words = np.char.lower(words)
    column: Column = words
    if present.any() and all(NUMBER.fullmatch(word) for word in words[present]):
        column = np.full(len(words), np.nan)
        column[present] = words[present].astype(np.float64)
    read: Column = column[rows]
    return read


def as_names(column: Column) -> StrArray:
    """Write a column of names or ids as text: whole numbers in full, NaN as empty."""
    if column.dtype.kind == "U":
        return column.astype(np.str_)
    return np.array([_name(float(number)) for number in column], np.str_).reshape(len(column))


def _name(number: float) -> str:
    if np.isnan(number):
        return ""
    return f"{number:.0f}" if number.is_integer() else f"{number:g}"


def as_flags(column: Column) -> FloatArray:
    """Read a column of flags: 1, 0 or NaN."""
    if column.dtype.kind == "f":
        return column.astype(np.float64)
    flags: FloatArray = np.full(len(column), np.nan)
    flags[column == "true"] = 1.0
    flags[column == "false"] = 0.0
    return flags

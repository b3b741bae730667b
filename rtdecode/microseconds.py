"""Time inside rtdecode: int64 microseconds."""

US_PER_MS = 1_000
US_PER_S = 1_000_000

INVALID_US = -(2**63)
"""Stands for a stamp that was NaN, infinite or beyond int64."""

NEVER_US = -(2**62)
"""A time before every other."""

FOREVER_US = 2**62
"""A time after every other."""

"""Numba functions on plain arrays: no object, no clock, no allocation."""

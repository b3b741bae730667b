"""Heaps are found wherever they begin, between two pieces too."""

import io

import pytest

from rtdecode.session.heaps import PIECE, SIGNATURE, _heaps


@pytest.mark.parametrize("place", [0, 5, *range(PIECE - 9, PIECE + 2), 2 * PIECE - 4, 3 * PIECE])
def test_a_heap_is_found_at_any_place(place):
    content = bytearray(4 * PIECE + 3)
    content[place : place + len(SIGNATURE)] = SIGNATURE
    end = len(content) - len(SIGNATURE)
    content[end:] = SIGNATURE
    assert list(_heaps(io.BytesIO(content))) == [place, end]

"""Spikes of all units in order of time, beside a plain stable sort."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtdecode.session import time_order
from rtdecode.session.time_order import merge_by_time


def plain(times, offsets):
    rows = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    order = np.argsort(times, kind="stable")
    return times[order], rows[order]


def check(units):
    offsets = np.cumsum([0, *map(len, units)])
    times = np.concatenate([np.empty(0, np.int64), *units])
    merged, rows = merge_by_time(times, offsets)
    expected_times, expected_rows = plain(times, offsets)
    np.testing.assert_array_equal(merged, expected_times)
    np.testing.assert_array_equal(rows, expected_rows)
    assert merged.dtype == np.int64
    assert rows.dtype == np.int32


# Few values, so that many units fire at the same microsecond; and the widest span.
TIMES = st.integers(-3, 12) | st.sampled_from([-9 * 10**15, 9 * 10**15])
UNITS = st.lists(st.lists(TIMES, max_size=12).map(lambda t: np.sort(np.array(t, np.int64))))


@pytest.mark.parametrize("block", [1, 5, 1 << 20])
def test_equals_a_stable_sort(block):
    @given(UNITS)
    def run(units):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time_order, "BLOCK_SPIKES", block)
            check(units)

    run()


def test_many_units_over_hours():
    rng = np.random.default_rng(3)
    check([np.sort(rng.integers(0, 9 * 10**9, 2000)) for _ in range(680)])

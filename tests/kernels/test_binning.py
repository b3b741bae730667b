"""Binning against NumPy, on times that like edges."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rtdecode.kernels.binning import add_spikes, bin_window, first_at_or_after
from rtdecode.kernels.ring import bin_ring_window, make_ring, push_spike
from tests.kernels import reference

BIN_US = 10
# Few distinct times, many of them on edges of bins of 10 us.
times = st.one_of(st.integers(-5, 25).map(lambda k: k * BIN_US), st.integers(-40, 240))
spikes = st.lists(st.tuples(times, st.integers(-1, 3)), max_size=120)
starts = st.integers(-50, 200)


def columns(spikes):
    """Times (n,) int64 and rows (n,) int32."""
    return (
        np.array([time for time, _ in spikes], np.int64),
        np.array([row for _, row in spikes], np.int32),
    )


@given(spikes, starts, st.integers(1, 6))
def test_a_window_is_counted_as_numpy_counts_it(spikes, start_us, n_bins):
    times_us, rows = columns(sorted(spikes))
    out = np.full((n_bins, 4), 9, np.uint16)
    added = bin_window(times_us, rows, start_us, BIN_US, out)
    expected = reference.bin_window(times_us, rows, start_us, BIN_US, n_bins, 4)
    np.testing.assert_array_equal(out, expected)
    assert added == expected.sum()


@given(spikes, starts, st.integers(1, 6), st.sampled_from([2, 16, 64, 256]))
def test_the_ring_gives_what_it_still_holds_in_any_order_of_arrival(
    spikes, start_us, n_bins, capacity
):
    spikes = [(time, row) for time, row in spikes if row >= 0]
    ring = make_ring(capacity, 4, retain_us=-1_000_000)  # nothing is needed: it may overwrite
    for time_us, row in spikes:
        assert push_spike(ring, time_us, row, time_us)
    out = np.full((n_bins, 4), 9, np.uint16)
    added = bin_ring_window(ring, start_us, BIN_US, out)
    held = columns(spikes[-capacity:])
    expected = reference.bin_window(*held, start_us, BIN_US, n_bins, 4)
    np.testing.assert_array_equal(out, expected)
    assert added == expected.sum()


@given(st.lists(st.integers(-30, 30), max_size=50), st.integers(-35, 35))
def test_search_is_numpys_search(values, sought):
    sorted_values = np.sort(np.array(values, np.int64))
    found = first_at_or_after(sorted_values, sought, 0, len(values))
    assert found == np.searchsorted(sorted_values, sought)


def test_an_edge_belongs_to_the_bin_that_it_begins():
    out = np.zeros((2, 1), np.uint16)
    edges = np.array([-1, 0, 9, 10, 19, 20], np.int64)
    bin_window(edges, np.zeros(6, np.int32), 0, BIN_US, out)
    assert out[:, 0].tolist() == [2, 2]


@given(st.integers(1, 2_000_000_000), st.integers(-(2**50), 2**50), st.integers(1, 4000))
def test_bins_are_exact_at_every_edge_however_long_they_are(bin_us, start_us, n_bins):
    """Spikes out of order go by a product in floating point: it must round nowhere."""
    edges = start_us + np.arange(n_bins + 1) * bin_us
    times_us = np.concatenate([edges, edges - 1])
    out = np.zeros((n_bins, 1), np.uint16)
    added = add_spikes(
        times_us, np.zeros(len(times_us), np.int32), 0, len(times_us), start_us, bin_us, out
    )
    # An edge and the microsecond before the next: two in each bin, but for bins of one.
    assert (out == 2).all()
    assert added == 2 * n_bins


def test_a_window_begins_with_the_last_spike_before_the_ring_wraps():
    ring = make_ring(2, 1, retain_us=-1_000_000)
    for time_us in (10, 20, 30):
        assert push_spike(ring, time_us, 0, time_us)
    out = np.zeros((2, 1), np.uint16)
    assert bin_ring_window(ring, 20, BIN_US, out) == 2
    assert out[:, 0].tolist() == [1, 1]

"""Windows summed spike by spike against the product of weights and counts in NumPy."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rtdecode.kernels.ring import make_ring, push_spike
from rtdecode.kernels.stamps import LARGEST_S, stamps_to_us
from rtdecode.kernels.sums import (
    add_to_open,
    close_sum,
    free_sum,
    make_sums,
    open_sum,
    softmax,
    sum_counts,
)
from rtdecode.microseconds import FOREVER_US, INVALID_US
from tests.kernels.reference import bin_window

BINS, BIN_US, UNITS, CLASSES, SLOTS = 3, 10, 4, 5, 3
WEIGHT = np.random.default_rng(0).normal(0, 1, (BINS * UNITS, CLASSES)).astype(np.float32)
BIAS = np.linspace(-1, 1, CLASSES, dtype=np.float32)

spikes = st.tuples(st.just("spike"), st.integers(-30, 120), st.integers(0, UNITS - 1))
opens = st.tuples(st.just("open"), st.integers(-40, 130), st.just(0))
pumps = st.tuples(st.just("pump"), st.just(0), st.just(0))
closes = st.tuples(st.just("close"), st.just(0), st.booleans())


def probabilities_of(held, start_us):
    """Softmax of weights times counts of the spikes (time, row) that the ring holds."""
    times_us, rows = [t for t, _ in held], [r for _, r in held]
    counts = bin_window(times_us, rows, start_us, BIN_US, BINS, UNITS)
    logits = counts.reshape(-1).astype(np.float64) @ WEIGHT.astype(np.float64) + BIAS
    expected = np.exp(logits - logits.max())
    return counts, expected / expected.sum()


@settings(max_examples=300)
@given(
    st.lists(st.one_of(spikes, spikes, spikes, opens, pumps, closes), max_size=80),
    st.sampled_from([64, 256]),
)
def test_summed_windows_are_weights_times_counts(moves, capacity):
    """Opened before, among or after their spikes, pumped at any moment, more of them than slots."""
    ring = make_ring(capacity, UNITS, retain_us=10_000)
    sums = make_sums(WEIGHT, BIAS, BIN_US, UNITS, SLOTS)
    held, windows, out = [], [], np.zeros(CLASSES, np.float32)
    for move, value, extra in [*moves, *[("close", 0, True)] * 4]:
        if move == "spike":
            if push_spike(ring, value, extra, 0):
                held.append((value, extra))
        elif move == "open":
            slot = open_sum(ring, sums, value)
            assert (slot < 0) is (len(windows) == SLOTS)
            if slot >= 0:
                windows.append((slot, value))
        elif move == "pump":
            add_to_open(ring, sums)
        elif windows:
            slot, start_us = windows.pop(0)
            if extra:
                close_sum(ring, sums, slot, out)
                _, expected = probabilities_of(held, start_us)
                np.testing.assert_allclose(out, expected, rtol=0, atol=1e-6)
            else:
                free_sum(sums, slot)
    assert (sums.start_us == FOREVER_US).all()


@given(st.lists(st.tuples(st.integers(-10, 40), st.integers(0, UNITS - 1)), max_size=200))
def test_counts_alone_give_the_same(held):
    counts, expected = probabilities_of(held, 0)
    out = np.zeros(CLASSES, np.float32)
    sum_counts(counts, make_sums(WEIGHT, BIAS, BIN_US, UNITS, 0), out)
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-6)


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=10))
def test_probabilities_are_finite_and_one_in_all_however_large_the_logits(logits):
    out = np.zeros(len(logits), np.float32)
    softmax(np.array(logits), out)
    assert np.isfinite(out).all()
    assert abs(out.sum() - 1) < 1e-5
    assert out[int(np.argmax(logits))] == out.max()


@given(st.lists(st.floats(width=64), max_size=50))
def test_stamps_are_rounded_as_numpy_rounds_or_marked(stamps):
    stamps = np.array(stamps, np.float64)
    out = np.zeros(len(stamps) + 1, np.int64)
    stamps_to_us(stamps, len(stamps), out)
    sane = np.isfinite(stamps) & (np.abs(np.nan_to_num(stamps)) < LARGEST_S)
    expected = np.rint(np.where(sane, stamps, 0.0) * 1e6).astype(np.int64)
    np.testing.assert_array_equal(out[:-1], np.where(sane, expected, INVALID_US))
    assert out[-1] == 0, "no row beyond the pull is touched"

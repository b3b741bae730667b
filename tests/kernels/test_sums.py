"""Windows summed spike by spike against the product of weights and counts in NumPy."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rtdecode.kernels.rest import softmax
from rtdecode.kernels.ring import make_ring, push_spike
from rtdecode.kernels.stamps import LARGEST_S, stamps_to_us
from rtdecode.kernels.sums import (
    FirstLayer,
    add_to_open,
    close_sum,
    free_sum,
    make_sums,
    open_sum,
    sum_counts,
)
from rtdecode.microseconds import FOREVER_US, INVALID_US
from tests.kernels.reference import bin_window

BINS, BIN_US, UNITS, SLOTS, MOST = 3, 10, 4, 3, 9
RNG = np.random.default_rng(0)
BENT = np.sqrt(np.arange(MOST + 1) + 0.375)
BENT = (BENT - BENT[0]) / (BENT[1] - BENT[0])
# Straight and bent, of bins and of whole windows, each of another width.
LAYERS = [
    FirstLayer(
        RNG.normal(0, 1, (bins * UNITS, width)).astype(np.float32),
        bins,
        RNG.normal(0, 1, width),
        bent,
    )
    for bins, width, bent in [(BINS, 5, BENT[:0]), (1, 2, BENT), (BINS, 3, BENT), (1, 1, BENT[:0])]
]
WIDTH = sum(len(layer.bias) for layer in LAYERS)

spikes = st.tuples(st.just("spike"), st.integers(-30, 120), st.integers(0, UNITS - 1))
opens = st.tuples(st.just("open"), st.integers(-40, 130), st.just(0))
pumps = st.tuples(st.just("pump"), st.just(0), st.just(0))
closes = st.tuples(st.just("close"), st.just(0), st.booleans())


def sums_of(held, start_us):
    """Counts of the spikes (time, row) held, and weights times their measure; None beyond it."""
    times_us, rows = [t for t, _ in held], [r for _, r in held]
    counts = bin_window(times_us, rows, start_us, BIN_US, BINS, UNITS)
    found = []
    for layer in LAYERS:
        taken = counts.reshape(-1) if layer.bins == BINS else counts.sum(axis=0)
        if len(layer.bent) and taken.max() > MOST:
            return counts, None
        measure = layer.bent[taken] if len(layer.bent) else taken.astype(np.float64)
        found.append(measure @ layer.weight.astype(np.float64) + layer.bias)
    return counts, np.concatenate(found)


def check(known, out, expected):
    assert known is (expected is not None)
    if known:
        np.testing.assert_allclose(out, expected, rtol=0, atol=1e-9)


@settings(max_examples=300)
@given(
    st.lists(st.one_of(spikes, spikes, spikes, opens, pumps, closes), max_size=80),
    st.sampled_from([64, 256]),
)
def test_summed_windows_are_weights_times_the_measure_of_counts(moves, capacity):
    """Opened before, among or after their spikes, pumped at any moment, more of them than slots."""
    ring = make_ring(capacity, UNITS, retain_us=10_000)
    sums = make_sums(LAYERS, BINS * BIN_US, UNITS, SLOTS)
    held, windows, out = [], [], np.zeros(WIDTH)
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
                known = close_sum(ring, sums, slot, out)
                check(known, out, sums_of(held, start_us)[1])
            else:
                free_sum(sums, slot)
    assert (sums.start_us == FOREVER_US).all()


@given(st.lists(st.tuples(st.integers(-10, 40), st.integers(0, UNITS - 1)), max_size=200))
def test_counts_alone_give_the_same(held):
    counts, expected = sums_of(held, 0)
    out = np.zeros(WIDTH)
    check(sum_counts(counts, make_sums(LAYERS, BINS * BIN_US, UNITS, 0), out), out, expected)


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=10))
def test_probabilities_are_finite_and_one_in_all_however_large_the_logits(logits):
    out = np.zeros(len(logits))
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

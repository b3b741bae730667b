"""The device's clock on ours, from arrivals alone: against the truth, in simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtdecode.bridge.device_clock import CELL_US, DeviceClock, supporting_slope

LEAST_DELAY_US = 2_000
LSL_ZERO_US = 987_654_321


class Device:
    """An acquisition whose messages leave a block at a time, late by a jitter."""

    def __init__(self, seed, rate=300.0, block_us=23_000, drift_ppm=50.0, jitter_us=2_000):
        self.rng = np.random.default_rng(seed)
        self.rate, self.block_us, self.jitter_us = rate, block_us, jitter_us
        self.drift = drift_ppm * 1e-6

    def run(self, clock, begin_s, seconds, device_zero_us=0.0):
        """Messages of one acquisition: seconds since its begin, true and mapped LSL time."""
        since = np.sort(self.rng.uniform(0, seconds * 1e6, int(self.rate * seconds)))
        device = since * (1 - self.drift)
        block = (device // self.block_us).astype(int)
        leaves = (block + 1) * self.block_us / (1 - self.drift)
        n_blocks = block[-1] + 1
        late = LEAST_DELAY_US + self.rng.exponential(self.jitter_us, n_blocks)
        late += (self.rng.random(n_blocks) < 0.01) * self.rng.uniform(0, 80_000, n_blocks)
        zero = LSL_ZERO_US + begin_s * 1e6
        arrival = np.maximum.accumulate(zero + leaves + late[block])
        mapped = np.empty(len(since), np.int64)
        for low, high in blocks(block):
            device_us = device_zero_us + device[low:high]
            clock.see(device_us, int(arrival[low]))
            mapped[low:high] = clock.lsl_us(device_us)
        return since / 1e6, zero + since, mapped


def blocks(number):
    edges = np.flatnonzero(np.diff(number)) + 1
    return zip([0, *edges], [*edges, len(number)], strict=True)


def p99_ms(since, truth, mapped, after_s=30.0):
    """Error at the 99th percentile, but for the constant smallest delay."""
    error = np.abs(mapped - truth - LEAST_DELAY_US)[since > after_s]
    return np.percentile(error, 99) / 1000


@pytest.mark.parametrize("drift_ppm", [50.0, -50.0])
@pytest.mark.parametrize("rate", [300.0, 3000.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_drifting_jittering_device_that_restarts_is_known_within_a_millisecond(
    seed, rate, drift_ppm
):
    device, clock = Device(seed, rate, drift_ppm=drift_ppm), DeviceClock()
    assert p99_ms(*device.run(clock, 0, 75)) < 1.0
    assert clock.drift_ppm == pytest.approx(drift_ppm, abs=15)
    assert clock.restarts == 0
    # Acquisition starts again: its clock anew, the same quartz.
    assert p99_ms(*device.run(clock, 80, 75)) < 1.0
    assert clock.restarts == 1
    assert clock.strange < 12


def test_without_a_line_that_follows_drift_the_error_would_grow():
    device = Device(0)
    since, truth, mapped = device.run(DeviceClock(), 0, 75)
    device_us = since * 1e6 * (1 - device.drift)
    fixed = device_us + (mapped[0] - device_us[0])
    assert p99_ms(since, truth, fixed) > 3.0


@pytest.mark.parametrize("paused_s", [4.0, 60.0])
def test_a_pause_after_which_sample_numbers_go_on_is_a_restart(paused_s):
    device, clock = Device(1), DeviceClock()
    device.run(clock, 0, 40)
    since, truth, mapped = device.run(clock, 40 + paused_s, 40, device_zero_us=40e6)
    assert clock.restarts == 1
    assert p99_ms(since, truth, mapped) < 1.0


def test_a_stall_is_no_restart():
    clock = DeviceClock()
    device = Device(2)
    device.run(clock, 0, 40)
    before = clock.lsl_us(np.array([40e6]))[0]
    # A second's blocks come at once, a second late.
    for block in range(40):
        clock.see(np.array([40e6 + block * 23_000.0]), int(LSL_ZERO_US + 41.2e6))
    assert clock.restarts == clock.strange == 0
    assert abs(int(clock.lsl_us(np.array([40e6]))[0]) - int(before)) < 200


def test_a_backlog_of_seconds_keeps_its_times_and_is_no_restart():
    clock = DeviceClock()
    Device(2).run(clock, 0, 40)
    # Nobody read for three seconds; then all of it is read within a tenth of one.
    waited_us = 40e6 + 23_000.0 * np.arange(130)
    for i, one in enumerate(waited_us):
        assert clock.see(np.array([one]), int(LSL_ZERO_US + 43.2e6 + 500 * i)).all()
    assert clock.restarts == clock.strange == 0
    mapped = clock.lsl_us(waited_us)
    np.testing.assert_allclose(mapped - waited_us, LSL_ZERO_US + 4_000, atol=6_000)


@given(st.lists(st.floats(0, 2.0**53), min_size=1, max_size=40))
@settings(max_examples=50)
def test_nonsense_among_messages_moves_nothing(nonsense):
    clock, device = DeviceClock(), Device(3)
    device.run(clock, 0, 15)
    before = clock.lsl_us(np.array([15e6]))
    now_us = int(LSL_ZERO_US + 15.1e6)
    # Each far from what it could be, and from the one before.
    for i, value in enumerate(nonsense):
        if abs(value - 15e6) > 5e6 and (i == 0 or abs(value - nonsense[i - 1]) > 1e6):
            clock.see(np.array([value]), now_us)
            clock.see(np.array([15.05e6]), now_us)
    assert clock.restarts == 0
    np.testing.assert_allclose(clock.lsl_us(np.array([15e6])), before, atol=500)


@given(st.integers(0, 2**32 - 1), st.floats(-200, 200))
@settings(max_examples=30)
def test_the_line_lies_below_every_earliest_arrival(seed, drift_ppm):
    clock = DeviceClock()
    _, truth, mapped = Device(seed, drift_ppm=drift_ppm, rate=100).run(clock, 0, 25)
    assert clock.residual_us >= 0
    assert clock.delay_us >= 0
    # No message is mapped to later than it arrived: delays only add.
    assert (mapped[-100:] <= truth[-100:] + LEAST_DELAY_US + 23_000 + 110_000).all()


@given(st.floats(-400e-6, 400e-6), st.lists(st.floats(0, 1e4), min_size=12, max_size=60))
def test_the_slope_of_a_clean_edge_is_found_whatever_lies_above(slope, heights):
    x = np.arange(len(heights)) * float(CELL_US)
    y = 5.0 + slope * x + np.array(heights)
    y[[0, -1]] = 5.0 + slope * x[[0, -1]]
    assert supporting_slope(np.stack([x, y], axis=1)) == pytest.approx(slope, abs=1e-7)

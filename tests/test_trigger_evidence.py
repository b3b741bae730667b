"""What the policy is told of a window, from an engine that took real rows."""

import numpy as np
import pytest

from rtdecode.engine import Engine, EngineSettings
from rtdecode.health import Health, State
from rtdecode.triggers.evidence import evidence_of
from rtdecode.windows import WindowSpec

UNITS = np.array([4, 9], np.int64)
END_US = 1_100_000


def decided(samples, times_us, now_us=END_US + 2_000):
    """One window of 100 ms from 1 s on, after these rows; its evidence at ``now_us``."""
    spec = WindowSpec(0, 100_000, 50_000)
    settings = EngineSettings(lateness_us=1_000)
    engine = Engine(UNITS, spec, lambda counts: np.array([0.25, 0.75], np.float32), settings)
    health = Health(300_000)
    engine.ingest(np.array([[-1, 0]], np.int32), np.array([900_000]), now_us)
    engine.mark(1_000_000)
    engine.ingest(np.array(samples, np.int32), np.array(times_us, np.int64), now_us)
    health.observe(engine, END_US)
    health.change(State.DECODING, END_US)
    (decision,) = engine.step(now_us)
    return evidence_of(decision, health, now_us - END_US, now_us)


def test_a_whole_window():
    seen = decided([[4, 1], [9, 2], [-1, 3]], [1_010_000, 1_020_000, END_US])
    assert (seen.complete, seen.spikes, seen.missing) == (True, 2, 0)
    assert (seen.delay_us, seen.data_age_us, seen.decoding) == (2_000, 2_000, True)
    assert seen.probabilities.tolist() == [0.25, 0.75]


def test_a_window_that_a_row_is_missing_of_is_incomplete_and_the_row_is_counted():
    seen = decided([[4, 1], [9, 3], [-1, 4]], [1_010_000, 1_020_000, END_US])
    assert (seen.complete, seen.spikes, seen.missing) == (False, 3, 1)


def test_without_a_watermark_it_is_incomplete():
    seen = decided([[4, 1]], [1_010_000])
    assert (seen.complete, seen.missing) == (False, 0)


@pytest.mark.parametrize(
    ("sample", "time_us"),
    [([7, 2], 1_020_000), ([4, 2], 1_010_000)],
    ids=["unknown", "duplicate"],
)
def test_what_is_unknown_or_twice_is_not_missing(sample, time_us):
    seen = decided([[4, 1], sample, [-1, 3]], [1_010_000, time_us, END_US])
    assert (seen.complete, seen.spikes, seen.missing) == (True, 2, 0)

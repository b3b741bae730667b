"""Overload is said at once, and not said of a source that has merely stopped."""

import numpy as np

from rtdecode.health import Health, State
from rtdecode.strain import BEHIND, FLOWING_US, LOSING, SAID_US, Strain
from tests.test_engine import Source, new_engine


def test_a_loss_is_said_at_once_and_for_a_second():
    engine, strain = new_engine(), Strain()
    source = Source(engine)
    source.send([(0, 10)], 10)
    assert strain.warning(engine, 1000) == ""
    source.sequence += 3
    source.send([(0, 20)], 20)
    assert strain.warning(engine, 2000) == LOSING
    assert strain.warning(engine, 2000 + SAID_US - 1) == LOSING
    assert strain.warning(engine, 2000 + SAID_US) == ""


def test_a_full_ring_is_a_loss_and_health_tells_it_as_it_watches():
    engine, health = new_engine(capacity=8), Health(stale_us=10**6)
    source = Source(engine)
    source.send([(-1, 0)], 0)
    engine.mark(100)
    source.send([(0, 130 + i) for i in range(20)], 200)
    assert health.watch(engine, 10**6)
    assert (health.state, health.message) == (State.READY, LOSING)
    assert health.watch(engine, 10**6 + SAID_US // 2) is False
    source.send([(-1, 220)], 220)
    assert health.watch(engine, 10**6 + SAID_US)
    assert health.message == ""


def test_windows_that_cannot_wait_are_said_where_rows_flow():
    engine, strain = new_engine(), Strain()
    strain.closed(engine, by_watermark=False, age_us=0, now_us=0)
    assert strain.warning(engine, 1) == "", "a source without watermarks closes by lateness always"
    Source(engine).send([(-1, 0)], 0)
    strain.closed(engine, by_watermark=False, age_us=FLOWING_US, now_us=0)
    strain.closed(engine, by_watermark=True, age_us=0, now_us=0)
    assert strain.warning(engine, 1) == ""
    strain.closed(engine, by_watermark=False, age_us=FLOWING_US - 1, now_us=0)
    said = [strain.warning(engine, now_us) for now_us in (1, SAID_US - 1, SAID_US)]
    assert np.array_equal(said, [BEHIND, BEHIND, ""])

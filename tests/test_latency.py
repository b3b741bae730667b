"""Rolling percentiles: of the newest windows, whatever was before."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rtdecode.latency import PERCENTILES, LatencyLog, percentiles


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=60), st.integers(1, 20))
def test_the_summary_is_numpys_of_the_last_ones(values, keep):
    log = LatencyLog(keep)
    for value in values:
        log.add({"bin": value})
    expected = np.percentile(values[-keep:], list(PERCENTILES.values()))
    (found,) = log.summary().values()
    np.testing.assert_allclose(list(found.values()), expected, rtol=0, atol=1e-4)


def test_a_stage_that_never_came_is_not_told():
    log = LatencyLog()
    assert log.summary() == {}
    log.add({"bin": 1.0, "infer": 2.0})
    log.add({"bin": 3.0})
    assert set(log.summary()) == {"bin", "infer"}
    assert log.summary()["bin"]["max"] == 3.0
    assert percentiles([]) == {}

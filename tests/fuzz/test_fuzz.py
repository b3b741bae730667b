"""A few hundred hostile inputs for every reader; ``make fuzz`` has ten thousand."""

import pytest

from tests.fuzz.run import TARGETS, run_target

# Those that a case of costs most have fewest here.
CASES = {"damaged-journal": 40, "damaged-record": 120, "bundle": 120, "rig-file": 200}


@pytest.mark.parametrize("name", TARGETS)
def test_hostile_input_is_read_or_refused_in_a_line(name):
    read, failures = run_target(name, CASES.get(name, 300))
    assert failures == []
    assert read > 0, "some are good, or nothing is tried"

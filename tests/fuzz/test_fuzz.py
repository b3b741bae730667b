"""A few hundred hostile inputs for every reader; ``make fuzz`` has ten thousand."""

import pytest

from tests.fuzz.run import TARGETS, run_target

# Those that a case of costs most have fewest here.
CASES = {"damaged-journal": 20, "damaged-record": 100, "bundle": 100, "rig-file": 150}
# Found by the ten thousand: seeds that once hung or crashed a reader.
FOUND = {
    "damaged-session": [421],
    "made-up-session": [1105, 6783],
    "damaged-record": [2249],
    "bundle": [13, 358, 806],
    "rig-file": [1220],
    "control-lines": [1910],
}


@pytest.mark.parametrize("name", TARGETS)
def test_hostile_input_is_read_or_refused_in_a_line(name):
    read, failures = run_target(name, [*range(CASES.get(name, 250)), *FOUND.get(name, [])])
    assert failures == []
    assert read > 0, "some are good, or nothing is tried"

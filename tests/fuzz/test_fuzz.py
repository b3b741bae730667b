"""A few hundred hostile inputs for every reader; ``make fuzz`` has ten thousand."""

import pytest

from tests.fuzz.run import TARGETS, run_target

# Found by the ten thousand: seeds that once hung or crashed a reader.
FOUND = [("damaged-record", 2249), ("bundle", 358), ("bundle", 13), ("made-up-session", 1105)]
FOUND += [
    ("bundle", 806),
    ("rig-file", 1220),
    ("control-lines", 1910),
    ("made-up-session", 6783),
    ("damaged-session", 421),
]
# Those that a case of costs most have fewest here.
CASES = {"damaged-journal": 20, "damaged-record": 100, "bundle": 100, "rig-file": 150}


@pytest.mark.parametrize("name", TARGETS)
def test_hostile_input_is_read_or_refused_in_a_line(name):
    read, failures = run_target(name, CASES.get(name, 250))
    assert failures == []
    assert read > 0, "some are good, or nothing is tried"


@pytest.mark.parametrize(("name", "seed"), FOUND)
def test_what_was_found_once_is_mended(name, seed):
    assert run_target(name, 1, seed)[1] == []

"""What the simulator is measured with: each statistic on data whose answer is known."""

import numpy as np
import pytest

from benchmarks.first_spikes import first_spike_latencies_ms
from benchmarks.geometry import consistency, mean_responses, reliability, similarity_ranks
from benchmarks.image_decoding import logistic_accuracy, svm_accuracy
from benchmarks.published_statistics import STATISTICS, judge
from benchmarks.simulated_mouse import NO_VISP, MouseFigures, counts_between
from rtdecode.errors import UserError
from rtdecode.session import Session, Units

ITEMS, TRIALS, UNITS = 20, 40, 12


def rng(seed=0):
    return np.random.default_rng(seed)


def session(trains_us, areas=None):
    n = len(trains_us)
    units = Units(np.arange(n), np.array(areas or [""] * n), np.full(n, np.nan), np.full(n, ""), {})
    times = [np.asarray(train, np.int64) for train in trains_us]
    return Session("mouse", units, np.concatenate(times), np.cumsum([0, *map(len, times)]), {})


def trials(signal, noise, seed=1):
    """Counts of ITEMS items, TRIALS each, in random order."""
    labels = rng(seed).permutation(np.repeat(np.arange(ITEMS), TRIALS))
    means = signal * rng(99).standard_normal((ITEMS, UNITS))
    return means[labels] + noise * rng(seed + 1).standard_normal((len(labels), UNITS)), labels


def test_counts_between_are_those_of_the_window():
    spikes = session([[0, 999, 1000, 4999, 5000], [2000]])
    counts = counts_between(spikes, np.array([0, 1000]), 0, 4)
    np.testing.assert_array_equal(counts, [[3, 1], [2, 1]])


def test_mean_responses():
    means = mean_responses(np.array([[1.0], [3.0], [5.0]]), np.array([0, 1, 1]), 2)
    np.testing.assert_array_equal(means, [[1.0], [4.0]])


def test_geometry_is_what_two_mice_share_and_no_unit_is():
    means = rng().standard_normal((ITEMS, 400))
    mixed = means @ np.linalg.qr(rng(1).standard_normal((400, 400)))[0]
    stranger = rng(2).standard_normal((ITEMS, 400))
    one, same, other = (similarity_ranks(m) for m in (means, mixed, stranger))
    assert consistency([one, one]) == pytest.approx(1.0)
    assert consistency([one, same]) > 0.8
    assert abs(consistency([one, other])) < 0.2


def test_reliability_grows_with_the_signal():
    strong = reliability(*trials(1.0, 0.1), ITEMS)
    weak = reliability(*trials(0.1, 1.0), ITEMS)
    none = reliability(*trials(0.0, 1.0), ITEMS)
    assert strong > 0.95 > weak > none
    assert abs(none) < 0.2


def test_decoders_find_what_is_there_and_nothing_else():
    counts, labels = trials(1.0, 0.3)
    noise, _ = trials(0.0, 1.0)
    for accuracy in (svm_accuracy, logistic_accuracy):
        assert accuracy(counts, labels) > 0.9
        assert accuracy(noise, labels) < 3 / ITEMS


def test_logistic_regression_is_asked_about_the_last_fifth_alone():
    counts, labels = trials(1.0, 0.1)
    late = int(0.8 * len(labels))
    labels[late:] = (labels[late:] + 1) % ITEMS
    assert logistic_accuracy(counts, labels) < 0.1


def test_first_spikes():
    onsets = 1_000_000 + 2_000_000 * np.arange(60)
    # The spike 10 ms after the flash comes too early to be an answer; some flashes get none.
    first = onsets + 55_000 + rng().integers(-3000, 3000, 60)
    answers = np.sort(np.concatenate([first[::2], onsets[::2] + 70_000, onsets + 10_000]))
    silent = np.sort(rng(1).integers(0, 120_000_000, 300))
    found = first_spike_latencies_ms(session([answers, silent], ["VISp", "CA1"]), onsets)
    assert list(found) == ["VISp"]
    assert found["VISp"] == [pytest.approx(55, abs=1)]


def mouse(**changes):
    ranks = similarity_ranks(rng().standard_normal((10, 5)))
    other = similarity_ranks(rng(5).standard_normal((10, 5)))
    values = {
        "units": 2000,
        "passing": 700,
        "visp_units": 63,
        "visp_rate_hz": 8.85,
        "svm": 0.478,
        "logistic": 0.708,
        "control": 0.0084,
        "reliability": 0.832,
        "latencies_ms": {
            "LGd": [59.0],
            "VISp": [61.0],
            "VISl": [64.0],
            "VISal": [65.0],
            "VISrl": [67.0],
            "VISam": [72.0],
            "VISpm": [73.0],
        },
        "scene_ranks": ranks,
        "grating_ranks": other,
        "window_ranks": {30: ranks, 100: ranks, 200: ranks},
    }
    return MouseFigures(**(values | changes))


def verdicts(*mice):
    return {statistic.name.split(",")[0]: judge(statistic, mice).inside for statistic in STATISTICS}


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("119-way RBF-SVM", {"svm": 0.42}, {"svm": 0.41}),
        ("119-way logistic", {"logistic": 0.785}, {"logistic": 0.79}),
        (
            "natural-scene RDM reliability within a mouse",
            {"reliability": 0.775},
            {"reliability": 0.77},
        ),
        ("VISp rate during scenes", {"visp_rate_hz": 10.8}, {"visp_rate_hz": 10.9}),
    ],
)
def test_tolerances_are_those_of_the_table(name, inside, outside):
    assert verdicts(mouse(**inside), mouse(**inside))[name]
    assert not verdicts(mouse(**outside), mouse(**outside))[name]


def test_order_of_first_spikes():
    name = "median first spike after a flash"
    assert verdicts(mouse(), mouse())[name]
    late = mouse().latencies_ms
    for ms, inside in (
        (late | {"VISpm": [72.0]}, True),
        (late | {"VISpm": [71.0]}, False),
        (late | {"VISp": [64.0]}, False),
        ({"VISp": [61.0]}, False),
    ):
        assert verdicts(mouse(latencies_ms=ms), mouse(latencies_ms=ms))[name] is inside


def test_control_is_chance_within_its_interval():
    name = "image identity from 0-30 ms"
    assert verdicts(mouse(control=0.007), mouse(control=0.010))[name]
    assert not verdicts(mouse(control=0.030), mouse(control=0.031))[name]


def test_time_course_must_be_nothing_early_and_peak_at_100_ms():
    def course(early, peak):
        base = rng().standard_normal((200, 3))
        mice = []
        for seed in (7, 8):
            own = rng(seed).standard_normal((200, 3))
            # What is seen early is less than at the peak, and yet something.
            windows = {ms: similarity_ranks(own) for ms in (30, 100, 200)}
            windows[30] = similarity_ranks(own + early * base)
            mice.append(mouse(window_ranks=windows | {peak: similarity_ranks(base)}))
        return mice

    name = "shared geometry over time"
    assert verdicts(*course(early=0.0, peak=100))[name]
    assert not verdicts(*course(early=0.0, peak=200))[name]
    assert not verdicts(*course(early=1.0, peak=100))[name]


def test_a_mouse_without_visp_has_no_part_in_its_statistics():
    missed = mouse(**NO_VISP)
    both = {
        statistic.name: [
            judge(statistic, mice).value
            for mice in ([mouse(), mouse()], [mouse(), missed, mouse()])
        ]
        for statistic in STATISTICS
    }
    assert all(str(one) == str(other) for one, other in both.values())
    with pytest.raises(UserError, match="two mice with VISp"):
        verdicts(mouse(), missed)

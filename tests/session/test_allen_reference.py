"""AllenSDK as the reference: one file of its own writers, read by both."""

import functools
import warnings

import h5py
import numpy as np
import pytest

from rtdecode.session import QualityFilter, read_session

pytest.importorskip("allensdk", reason="AllenSDK is not installed: pip install 'rtdecode[allen]'")

with warnings.catch_warnings():
    # What AllenSDK imports warns of its own age.
    warnings.simplefilter("ignore")
    import pandas as pd
    import pynwb
    from allensdk.brain_observatory.ecephys.ecephys_session import EcephysSession
    from allensdk.brain_observatory.ecephys.ecephys_session_api import EcephysNwbSessionApi

from benchmarks.allen_reference import channel_id, make_probe, make_unit, write_reference

# AllenSDK's own, of pandas and marshmallow.
pytestmark = pytest.mark.filterwarnings("ignore")

AREAS = ["VISp"] * 4 + ["LGd-sh"] * 3 + ["None"] * 2 + ["VISam"] * 3 + ["CA1"] * 4
VALID = [True] * 13 + [False] * 3
METRICS = ("amplitude_cutoff", "presence_ratio", "isi_violations")
INVALID = [
    {"type": "EcephysSession", "id": 7, "label": "stimulus", "start_time": 3.1, "end_time": 5.0},
    {"type": "EcephysSession", "id": 7, "label": "stimulus", "start_time": 33.25, "end_time": 33.4},
]


def probes():
    rng = np.random.default_rng(11)
    made = []
    for probe in range(2):
        units = [
            make_unit(
                100 * probe + row,
                channel_id(probe, row % 16),
                rng.uniform(-1, 60, rng.integers(0, 300)),
                quality="noise" if row % 9 == 4 else "good",
                metrics={
                    "amplitude_cutoff": rng.choice([0.0, 0.1, 0.1001, 0.3], p=[0.4, 0.4, 0.1, 0.1]),
                    "presence_ratio": rng.choice([1.0, 0.95, 0.949], p=[0.5, 0.3, 0.2]),
                    "isi_violations": rng.choice([0.0, 0.5, 0.51], p=[0.5, 0.3, 0.2]),
                    "snr": rng.uniform(1, 4),
                },
            )
            for row in range(48)
        ]
        made.append(make_probe(probe, AREAS, VALID, units))
    return made


def presentations():
    starts = np.arange(60) + 0.0217
    gratings = np.arange(60) >= 30
    return pd.DataFrame(
        {
            "start_time": starts,
            "stop_time": starts + 0.25021,
            "stimulus_name": np.where(gratings, "static_gratings", "natural_scenes"),
            # Block numbers of 0 and 1 alone AllenSDK takes for flags.
            "stimulus_block": np.where(gratings, 3.0, 2.0),
            "stimulus_index": np.where(gratings, 4.0, 5.0),
            "frame": np.where(gratings, np.nan, np.arange(60) - 1.0),
            "orientation": np.where(gratings, np.arange(60) * 30.0 % 180, np.nan),
            "phase": [np.nan] * 30 + ["0.25", "null", "0.5"] * 10,
        }
    )


def running():
    times = np.arange(0, 60, 0.0167)
    return pd.DataFrame(
        {
            "start_time": times,
            "end_time": times + 0.0167,
            "velocity": np.sin(times) * 20,
            "net_rotation": np.sin(times),
        }
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("allen") / "reference.nwb"
    write_reference(path, probes(), presentations(), invalid=INVALID, running=running())
    with h5py.File(path, "a") as file:
        # AllenSDK drops units without a metric before it writes them; old files have some.
        for place, name in enumerate(METRICS):
            file[f"units/{name}"][place] = np.nan
    return path


@functools.cache
def opened(path):
    """AllenSDK reads a file anew at each question: here once."""
    return pynwb.NWBHDF5IO(str(path), "r").read()


def reference(path, **filters):
    return EcephysSession(EcephysNwbSessionApi.from_nwbfile(opened(path), **filters))


@pytest.fixture(scope="module")
def theirs(path):
    return reference(path)


@pytest.fixture(scope="module")
def ours(path):
    return read_session(path)


def test_file_puts_the_filter_to_the_test(path, ours):
    every = read_session(path, quality=None)
    assert len(every.units) == 96
    assert 10 < len(ours.units) < 100
    for name in METRICS:
        assert np.isnan(every.units.metrics[name]).sum() == 1


def test_units(theirs, ours):
    table = theirs.units.loc[ours.units.ids]
    assert sorted(theirs.units.index) == sorted(ours.units.ids)
    assert ours.units.areas.tolist() == table["structure_acronym"].tolist()
    assert ours.units.probes.tolist() == table["probe_description"].tolist()
    np.testing.assert_array_equal(ours.units.depths_um, table["probe_vertical_position"])
    for name in (*METRICS, "snr", "firing_rate"):
        np.testing.assert_array_equal(ours.units.metrics[name], table[name])


def test_spike_times(theirs, ours):
    assert len(theirs.spike_times) == len(ours.units)
    for row, unit_id in enumerate(ours.units.ids.tolist()):
        expected = np.rint(theirs.spike_times[unit_id] * 1e6)
        np.testing.assert_array_equal(ours.spikes_of(row), expected)


def test_presentations(theirs, ours):
    table = theirs.stimulus_presentations
    kept = table[table["stimulus_name"] != "invalid_presentation"]
    assert set(ours.presentations) == set(kept["stimulus_name"])
    for name, found in ours.presentations.items():
        rows = kept[kept["stimulus_name"] == name]
        np.testing.assert_array_equal(found.start_us, np.rint(rows["start_time"] * 1e6))
        np.testing.assert_array_equal(found.stop_us, np.rint(rows["stop_time"] * 1e6))
        for column in {"stimulus_block", "frame", "orientation", "phase"} & set(found.columns):
            expected = pd.to_numeric(rows[column].replace("null", np.nan))
            np.testing.assert_array_equal(found.columns[column], expected)
    assert "phase" in ours.presentations["static_gratings"].columns
    assert "frame" in ours.presentations["natural_scenes"].columns


def test_invalid_times(theirs, ours):
    expected = theirs.invalid_times[["start_time", "stop_time"]].to_numpy()
    np.testing.assert_array_equal(ours.invalid_us, np.rint(expected * 1e6))
    masked = theirs.stimulus_presentations["stimulus_name"] == "invalid_presentation"
    assert ours.invalid_presentations == masked.sum() == 3


def test_running(theirs, ours):
    table = theirs.running_speed
    np.testing.assert_array_equal(ours.running.times_us, np.rint(table["start_time"] * 1e6))
    np.testing.assert_array_equal(ours.running.speed_cm_s, table["velocity"])


@pytest.mark.parametrize(
    ("mine", "filters"),
    [
        (QualityFilter(amplitude_cutoff=0.2), {"amplitude_cutoff_maximum": 0.2}),
        (QualityFilter(presence_ratio=0.99), {"presence_ratio_minimum": 0.99}),
        (QualityFilter(isi_violations=0.1), {"isi_violations_maximum": 0.1}),
        (QualityFilter(valid=False), {"filter_by_validity": False}),
        # AllenSDK's channels of unknown validity stay out unless both are off.
        (QualityFilter(in_brain=False), {"filter_out_of_brain_units": False}),
        (
            QualityFilter(in_brain=False, valid=False),
            {"filter_out_of_brain_units": False, "filter_by_validity": False},
        ),
    ],
)
def test_filter(path, mine, filters):
    found = read_session(path, quality=mine).units.ids
    assert sorted(found) == sorted(reference(path, **filters).units.index)
    assert len(found) != len(read_session(path).units)


def test_bounds_of_none_filter_nothing(path):
    """AllenSDK still drops the units whose metric is NaN then; here they stay."""
    switched_off = {f"{name}_m{'in' if 'ratio' in name else 'ax'}imum": None for name in METRICS}
    found = read_session(path, quality=QualityFilter(None, None, None))
    theirs = set(reference(path, **switched_off).units.index)
    every = read_session(path, quality=None).units
    without = np.any([np.isnan(every.metrics[name]) for name in METRICS], axis=0)
    assert theirs == set(found.units.ids) - set(every.ids[without])


def test_intervals_of_a_probe_leave_out_presentations_too(tmp_path):
    """AllenSDK masks what a fault of the display spoils; a probe's fault loses spikes as well."""
    path = tmp_path / "probe.nwb"
    fault = {"type": "EcephysProbe", "id": 1, "label": "probeB", "start_time": 9.5}
    write_reference(path, probes()[:1], presentations(), invalid=[fault | {"end_time": 10.1}])
    table = reference(path).stimulus_presentations
    assert not (table["stimulus_name"] == "invalid_presentation").any()
    assert read_session(path).invalid_presentations == 1

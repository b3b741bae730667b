"""Plain NWB files, column by column and unit by unit."""

import h5py
import numpy as np
import pytest

from rtdecode.errors import UserError
from rtdecode.session import QualityFilter, read_session

from .nwb_files import make_nwb, spikes


@pytest.fixture
def path(tmp_path):
    return tmp_path / "session.nwb"


def table(path, columns, name="trials", place="intervals"):
    rows = len(next(iter(columns.values())))
    times = {"start_time": np.arange(rows) * 1.0, "stop_time": np.arange(rows) + 0.5}
    make_nwb(path, spikes([0.1]), {f"{place}/{name}": times | columns})
    return read_session(path).presentations[name.removesuffix("_presentations")]


def test_recorded_gratings(allen_gratings_path):
    session = read_session(allen_gratings_path)
    gratings = session.presentations["drifting_gratings"]
    with h5py.File(allen_gratings_path) as file:
        times = file["units/spike_times"][:]
        starts = file["intervals/drifting_gratings_presentations/start_time"][:]
    assert len(session.units) == 1000
    assert len(gratings) == 200
    assert sorted(np.unique(gratings.columns["orientation"])) == [0, 45, 90, 135]
    np.testing.assert_array_equal(session.spike_times_us, np.rint(times * 1e6))
    np.testing.assert_array_equal(gratings.start_us, np.rint(starts * 1e6))
    assert not session.simulated


def test_times_are_rounded_and_not_cut(path):
    make_nwb(path, spikes([0.0000015001, 0.0000024999, 1.0000006], [-0.0000006]))
    session = read_session(path)
    assert session.spike_times_us.tolist() == [2, 2, 1000001, -1]
    assert session.spike_times_us.dtype == np.int64
    assert session.spike_offsets.tolist() == [0, 3, 4]


def test_spikes_of_a_unit_are_sorted_and_stay_with_their_unit(path):
    make_nwb(path, spikes([3, 1, 2], [], [9, 8], [0.5]))
    session = read_session(path)
    found = [session.spikes_of(row).tolist() for row in range(4)]
    assert found == [[1000000, 2000000, 3000000], [], [8000000, 9000000], [500000]]


def test_spikes_in_many_pieces(path, monkeypatch):
    monkeypatch.setattr("rtdecode.session.spikes.PIECE", 7)
    rng = np.random.default_rng(5)
    units = [rng.uniform(0, 9, n) for n in (13, 0, 30, 1, 6)]
    columns = spikes(*units) | {"presence_ratio": [1.0, 1.0, 0.1, 1.0, 1.0]}
    make_nwb(path, columns)
    session = read_session(path)
    expected = [np.rint(np.sort(units[row]) * 1e6) for row in (0, 1, 3, 4)]
    assert session.units.ids.tolist() == [0, 1, 3, 4]
    np.testing.assert_array_equal(session.spike_times_us, np.concatenate(expected))


def test_compressed_chunks_give_the_same(path):
    rng = np.random.default_rng(5)
    times = np.sort(rng.uniform(0, 9, 5000))
    make_nwb(path, spikes(times[:2000], times[2000:]))
    plain = read_session(path).spike_times_us
    with h5py.File(path, "a") as file:
        del file["units/spike_times"]
        file["units"].create_dataset("spike_times", data=times, chunks=(999,), compression="gzip")
    np.testing.assert_array_equal(read_session(path).spike_times_us, plain)


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        (["90.0", "45", "-.5", "null"], [90, 45, -0.5, np.nan]),
        (["1e3", "N/A", "", "nan"], [1000, np.nan, np.nan, np.nan]),
        ([1, 2, 3, 4], [1, 2, 3, 4]),
        (np.array([1.5, np.nan, 0, 2], np.float32), [1.5, np.nan, 0, 2]),
        (["left", "null", "", "right "], ["left", "", "", "right"]),
        (["007", "1", "2", "3"], ["007", "1", "2", "3"]),
        (["1_000", "1", "2", "3"], ["1_000", "1", "2", "3"]),
        (["inf", "1", "2", "3"], ["inf", "1", "2", "3"]),
        (["[0.0, 0.0]", "[1.0]", "a", "b"], ["[0.0, 0.0]", "[1.0]", "a", "b"]),
        ([True, False, True, True], ["true", "false", "true", "true"]),
        (["True", "False", "null", "True"], ["true", "false", "", "true"]),
        (["null", "", "null", "null"], ["", "", "", ""]),
    ],
)
def test_column(path, stored, read):
    column = table(path, {"label": stored}).columns["label"]
    np.testing.assert_array_equal(column, np.array(read))
    assert column.dtype.kind == ("U" if isinstance(read[0], str) else "f")


def test_ragged_columns_are_left_out_unless_one_value_a_row(path):
    ragged = {"tags_": ["a", "b", "c"], "tags__index": [2, 3]}
    single = {"kind": ["x", "y"], "kind_index": [1, 2]}
    columns = table(path, {"label": ["p", "q"], **single, **ragged}).columns
    assert set(columns) == {"label", "kind"}
    assert columns["kind"].tolist() == ["x", "y"]


def test_columns_of_other_kinds_are_left_out(path):
    table(path, {"label": ["p", "q"]})
    with h5py.File(path, "a") as file:
        trials = file["intervals/trials"]
        trials["position"] = np.zeros((2, 3))
        trials["where"] = np.zeros(2, [("a", "i4"), ("b", "f8")])
        trials.create_dataset("link", data=[trials.ref, trials.ref], dtype=h5py.ref_dtype)
    assert set(read_session(path).presentations["trials"].columns) == {"label"}


def test_coded_words(path):
    table(path, {"label": np.array([1, 0, 1], np.uint8)})
    with h5py.File(path, "a") as file:
        file["words"] = np.array(["go", "stop"], object)
        file["intervals/trials/label"].attrs["elements"] = file["words"].ref
    label = read_session(path).presentations["trials"].columns["label"]
    assert label.tolist() == ["stop", "go", "stop"]


def test_presentations_are_in_order_of_onset(path):
    times = {"start_time": [2.0, 0.0, 1.0], "stop_time": [2.5, 0.5, 1.5]}
    make_nwb(
        path,
        spikes([0.1]),
        {"intervals/flashes_presentations": times | {"colour": ["c", "a", "b"]}},
    )
    flashes = read_session(path).presentations["flashes"]
    assert flashes.start_us.tolist() == [0, 1000000, 2000000]
    assert flashes.stop_us.tolist() == [500000, 1500000, 2500000]
    assert flashes.columns["colour"].tolist() == ["a", "b", "c"]


def test_presentations_without_onset_are_left_out_and_counted(path):
    times = {"start_time": [0.0, np.nan, 2.0], "stop_time": [np.nan, 1.5, np.inf]}
    make_nwb(path, spikes([0.1]), {"intervals/trials": times | {"label": ["a", "b", "c"]}})
    session = read_session(path)
    trials = session.presentations["trials"]
    assert trials.columns["label"].tolist() == ["a", "c"]
    assert trials.stop_us.tolist() == [0, 2000000]
    assert session.invalid_presentations == 1


def test_tables_are_found_wherever_they_lie(path):
    rows = {"start_time": [1.0], "stop_time": [2.0]}
    places = ("intervals/trials", "stimulus/presentation/bars", "processing/behavior/trials")
    make_nwb(path, spikes([0.1]), dict.fromkeys(places, rows))
    assert set(read_session(path).presentations) == {
        "trials",
        "bars",
        "processing_behavior_trials",
    }


@pytest.mark.parametrize(
    ("interval", "left"),
    [
        ((0.6, 0.9), [0, 1, 2, 3]),
        ((0.5, 0.9), [1, 2, 3]),  # ends touch
        ((0.6, 1.0), [0, 2, 3]),
        ((1.2, 1.3), [0, 2, 3]),
        ((0.0, 9.0), []),
        ((2.1, 2.1), [0, 1, 3]),
    ],
)
def test_presentations_that_touch_invalid_times_are_left_out(path, interval, left):
    trials = {"start_time": [0.0, 1, 2, 3], "stop_time": [0.5, 1.5, 2.5, 3.5], "n": [0, 1, 2, 3]}
    invalid = {"start_time": [interval[0]], "stop_time": [interval[1]]}
    make_nwb(path, spikes([0.1]), {"intervals/trials": trials, "intervals/invalid_times": invalid})
    session = read_session(path)
    assert session.presentations["trials"].columns["n"].tolist() == left
    assert session.invalid_presentations == 4 - len(left)
    assert session.invalid_us.tolist() == [[round(t * 1e6) for t in interval]]
    assert "invalid_times" not in session.presentations


def test_area_by_electrode_rows(path):
    electrodes = {
        "id": [10, 11, 12],
        "location": ["VISp", "unknown", "CA1-so"],
        "group_name": ["imec0", "imec0", "imec1"],
        "rel_y": [20.0, 40.0, 60.0],
    }
    units = spikes([1], [2], [3]) | {"electrodes": [2, 0, 1], "electrodes_index": [2, 2, 3]}
    make_nwb(path, units, electrodes=electrodes)
    found = read_session(path).units
    assert found.areas.tolist() == ["CA1-so", "", ""]
    assert found.probes.tolist() == ["imec1", "", "imec0"]
    np.testing.assert_array_equal(found.depths_um, [60, np.nan, 40])


def test_area_by_peak_channel(path):
    electrodes = {
        "id": [812, 811, 810],
        "location": ["VISp", "None", "LGd-sh"],
        "probe_id": [7, 7, 9],
        "probe_vertical_position": [20.0, 40.0, 60.0],
        "valid_data": np.array([True, True, False]),
    }
    units = spikes([1], [2], [3], [4]) | {"peak_channel_id": [810, 812, 811, 999]}
    make_nwb(path, units, electrodes=electrodes)
    found = read_session(path, quality=None).units
    assert found.areas.tolist() == ["LGd", "VISp", "", ""]
    assert found.probes.tolist() == ["9", "7", "7", ""]
    np.testing.assert_array_equal(found.depths_um, [60, 20, 40, np.nan])
    assert read_session(path).units.ids.tolist() == [1]
    assert read_session(path, quality=QualityFilter(valid=False)).units.ids.tolist() == [0, 1]
    assert read_session(path, quality=QualityFilter(in_brain=False)).units.ids.tolist() == [1, 2]


@pytest.mark.parametrize("name", ["location", "area", "brain_area"])
def test_area_column_of_the_units(path, name):
    make_nwb(path, spikes([1], [2], [3]) | {name: ["VISp", "CA1", "VISp"]})
    assert read_session(path, areas=["CA1"]).units.ids.tolist() == [1]
    with pytest.raises(UserError, match="expected units in VISl; the session has CA1, VISp"):
        read_session(path, areas=["VISl"])


def test_metrics_filter_where_they_are(path):
    units = spikes(*[[t] for t in range(6)]) | {
        "amplitude_cutoff": [0.1, 0.11, np.nan, 0.0, 0.0, 0.0],
        "presence_ratio": ["0.95", "1.0", "1.0", "0.94", "1.0", "1.0"],
        "isi_violations": np.full(6, np.nan),
        "quality": ["good", "good", "good", "good", "noise", "good"],
    }
    make_nwb(path, units)
    assert read_session(path).units.ids.tolist() == [0, 5]
    assert len(read_session(path, quality=None).units) == 6
    assert len(read_session(path, quality=QualityFilter.off()).units) == 6
    loose = QualityFilter(amplitude_cutoff=None, presence_ratio=0.9, valid=False)
    assert len(read_session(path, quality=loose).units) == 6
    assert read_session(path, quality=QualityFilter(presence_ratio=None)).units.ids.tolist() == [
        0,
        3,
        5,
    ]


@pytest.mark.parametrize("words", [["A", "B"], ["1", "3"], ["good", "fair"]])
def test_quality_in_other_words_filters_nothing(path, words):
    make_nwb(path, spikes([1], [2]) | {"quality": words})
    assert len(read_session(path).units) == 2


def test_a_filter_that_leaves_no_unit_says_so(path):
    make_nwb(path, spikes([1], [2]) | {"presence_ratio": [0.1, 0.2]})
    with pytest.raises(UserError, match=r"none of the 2 units .*presence_ratio >= 0.95"):
        read_session(path)


@pytest.mark.parametrize(
    ("description", "simulated"), [("Simulated by x", True), ("a session", False)]
)
def test_simulated(path, description, simulated):
    make_nwb(path, spikes([1]), description=description)
    assert read_session(path).simulated is simulated


@pytest.mark.parametrize(("unit", "scale"), [("cm/s", 1), ("m/s", 100)])
def test_running(path, unit, scale):
    make_nwb(path, spikes([1]))
    with h5py.File(path, "a") as file:
        speed = file.create_group("processing/running/running_speed")
        speed["data"] = [1.0, 2.0, np.nan]
        speed["data"].attrs["unit"] = unit
        speed["timestamps"] = [0.1, np.nan, 0.3]
    running = read_session(path).running
    assert running.times_us.tolist() == [100000, 300000]
    np.testing.assert_array_equal(running.speed_cm_s, [scale, np.nan])


def test_name_is_the_session_id_or_the_file(path):
    make_nwb(path, spikes([1]))
    assert read_session(path).name == "session"
    with h5py.File(path, "a") as file:
        file["general/session_id"] = "791319847"
    assert read_session(path).name == "791319847"


def test_units_without_ids_are_numbered(path):
    units = spikes([1], [2])
    del units["id"]
    make_nwb(path, units)
    assert read_session(path).units.ids.tolist() == [0, 1]

"""What is written as NWB is read back equal, by us and by pynwb."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtdecode.errors import UserError
from rtdecode.session import (
    Presentations,
    QualityFilter,
    Running,
    Session,
    Units,
    read_session,
    write_session,
)

pynwb = pytest.importorskip("pynwb", reason="pynwb is not installed: pip install 'rtdecode[nwb]'")

DAYS_US = 10**12


def sorted_times(most):
    times = st.lists(st.integers(-DAYS_US, DAYS_US), max_size=most)
    return times.map(lambda values: np.sort(np.array(values, np.int64)))


NUMBERS = st.floats(allow_infinity=False) | st.just(np.nan)
WORDS = st.sampled_from(["", "VISp", "left", "é ü", "a/b", "true"])


def column(kind, rows):
    # The list's own type: words stay words, numbers float64.
    return st.lists(kind, min_size=rows, max_size=rows).map(np.array)


@st.composite
def sessions(draw):
    spikes = draw(st.lists(sorted_times(8), min_size=1, max_size=5))
    n = len(spikes)
    ids = draw(st.lists(st.integers(0, 2**31 - 1), min_size=n, max_size=n, unique=True))
    units = Units(
        np.array(ids, np.int64),
        draw(column(st.sampled_from(["", "VISp", "CA1"]), n)),
        draw(column(NUMBERS, n)),
        draw(column(st.sampled_from(["", "imec0", "b"]), n)),
        {
            "snr": draw(column(NUMBERS, n)),
            "good": draw(column(st.sampled_from([0.0, 1.0, np.nan]), n)),
        },
    )
    return Session(
        "a session",
        units,
        np.concatenate(spikes),
        np.cumsum([0, *map(len, spikes)]),
        {name: draw(tables(name)) for name in draw(st.sets(st.sampled_from(["a", "trials"])))},
        invalid_us=np.array(draw(st.lists(st.just((5, 9)), max_size=1)), np.int64).reshape(-1, 2),
        running=draw(st.none() | st.just(Running(np.array([1, 5]), np.array([0.5, np.nan])))),
        simulated=draw(st.booleans()),
    )


@st.composite
def tables(draw, name):
    # Apart from the invalid interval, which would leave them out.
    starts = draw(sorted_times(6)) * 2 + DAYS_US * 3
    rows = len(starts)
    columns = {
        "angle": draw(column(NUMBERS, rows)),
        "side": draw(column(WORDS, rows)).astype(np.str_),
    }
    return Presentations(name, starts, starts + draw(st.integers(0, 10**9)), columns)


def assert_equal(found, expected):
    assert (found.name, found.simulated) == (expected.name, expected.simulated)
    for name in ("ids", "areas", "depths_um", "probes"):
        np.testing.assert_array_equal(getattr(found.units, name), getattr(expected.units, name))
    assert set(found.units.metrics) == set(expected.units.metrics)
    for name, values in expected.units.metrics.items():
        np.testing.assert_array_equal(found.units.metrics[name], values)
    for name in ("spike_times_us", "spike_offsets", "invalid_us"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        assert getattr(found, name).dtype == np.int64
    assert_equal_tables(found.presentations, expected.presentations)
    assert (found.running is None) == (expected.running is None)
    if expected.running is not None:
        np.testing.assert_array_equal(found.running.times_us, expected.running.times_us)
        np.testing.assert_array_equal(found.running.speed_cm_s, expected.running.speed_cm_s)


def assert_equal_tables(found, expected):
    assert set(found) == set(expected)
    for name, table in expected.items():
        np.testing.assert_array_equal(found[name].start_us, table.start_us)
        np.testing.assert_array_equal(found[name].stop_us, table.stop_us)
        assert set(found[name].columns) == set(table.columns)
        for column_name, values in table.columns.items():
            np.testing.assert_array_equal(found[name].columns[column_name], values)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(session=sessions())
def test_read_back_equal(tmp_path, session):
    path = tmp_path / "written.nwb"
    write_session(session, path, force=True)
    assert_equal(read_session(path, quality=None), session)


@pytest.fixture
def session():
    rng = np.random.default_rng(2)
    spikes = [np.sort(rng.integers(0, 10**7, n)) for n in (30, 0, 12)]
    units = Units(
        np.array([5, 2, 9]),
        np.array(["VISp", "", "CA1"]),
        np.array([20.0, np.nan, 60]),
        np.array(["a", "a", "b"]),
        {"snr": np.array([1.0, 2, 3]), "good": np.array([1.0, 0, np.nan])},
    )
    starts = np.arange(4) * 10**6
    columns = {"orientation": starts / 1e5, "side": np.array(["l", "r", "", "l"])}
    gratings = Presentations("gratings", starts, starts + 10, columns)
    offsets = np.cumsum([0, 30, 0, 12])
    return Session("mouse 1", units, np.concatenate(spikes), offsets, {"gratings": gratings})


def test_pynwb_reads_it_and_finds_it_valid(tmp_path, session):
    path = tmp_path / "written.nwb"
    write_session(session, path)
    with pynwb.NWBHDF5IO(str(path), "r") as file:
        assert pynwb.validate(io=file) == []
        nwb = file.read()
        units = nwb.units.to_dataframe()
        gratings = nwb.intervals["gratings_presentations"].to_dataframe()
    assert units.index.tolist() == [5, 2, 9]
    assert units["location"].tolist() == ["VISp", "unknown", "CA1"]
    assert units["quality"].tolist() == ["good", "noise", ""]
    for row, times in enumerate(units["spike_times"]):
        np.testing.assert_array_equal(np.rint(times * 1e6), session.spikes_of(row))
    assert gratings["side"].tolist() == ["l", "r", "", "l"]
    np.testing.assert_array_equal(gratings["start_time"], [0, 1, 2, 3])


def test_filter_means_the_same_after_writing(tmp_path, session):
    path = tmp_path / "written.nwb"
    write_session(session, path)
    expected = session.units.ids[QualityFilter().keeps(session.units)]
    # Nobody has curated the probe of unit 9.
    assert read_session(path).units.ids.tolist() == expected.tolist() == [5, 9]


def test_nothing_is_overwritten_unless_told(tmp_path, session):
    path = tmp_path / "mine.nwb"
    path.write_text("precious")
    with pytest.raises(UserError, match="exists"):
        write_session(session, path)
    assert path.read_text() == "precious"
    write_session(session, path, force=True)
    assert len(read_session(path, quality=None).units) == 3


def test_a_failed_write_leaves_what_was_there(tmp_path, session, monkeypatch):
    path = tmp_path / "mine.nwb"
    path.write_text("precious")
    monkeypatch.setattr("rtdecode.session.write._intervals", lambda table: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_session(session, path, force=True)
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


def test_no_folder(tmp_path, session):
    with pytest.raises(UserError, match="is no folder"):
        write_session(session, tmp_path / "none" / "x.nwb")

"""Files that are wrong, cut off, damaged or made up: one line, never more."""

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtdecode.errors import UserError
from rtdecode.session import read_session

from .nwb_files import make_nwb, spikes

GOOD = ([0.1, 0.2], [0.3])
LARGE = 1 << 50


@pytest.fixture
def path(tmp_path):
    return tmp_path / "session.nwb"


def refusal(path):
    with pytest.raises(UserError) as caught:
        read_session(path)
    line = str(caught.value)
    assert "\n" not in line
    assert str(path) in line
    return line


def replace_units(path, **columns):
    make_nwb(path, spikes(*GOOD) | {name: np.array(values) for name, values in columns.items()})


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"spike_times": [0.1, np.nan, 0.3]}, "found nan"),
        ({"spike_times": [0.1, np.inf, 0.3]}, "found inf"),
        ({"spike_times": [-np.inf, 0.2, 0.3]}, "found -inf"),
        ({"spike_times": [0.1, 1e300, 0.3]}, "found 1e.300"),
        ({"spike_times": [0.1, 9.1e9, 0.3]}, "found 9100000000"),
        ({"spike_times_index": [2, 4]}, "expected ends up to 3"),
        ({"spike_times_index": np.array([2, 2**63], np.uint64)}, "found 9223372036854775808"),
        ({"spike_times_index": [-1, 3]}, "they fall"),
        ({"spike_times_index": [3, 2]}, "they fall"),
        ({"spike_times_index": [3]}, "expected 2 whole numbers"),
        ({"spike_times_index": [1, 2, 3]}, "expected 2 whole numbers"),
        ({"spike_times_index": [2.0, 3.0]}, "expected 2 whole numbers"),
        ({"spike_times": [[0.1], [0.2], [0.3]]}, "expected spike times"),
        ({"id": [7, 7]}, "some repeat"),
        ({"id": [-1, 7]}, "found -1 to 7"),
        ({"id": [1, 2**31]}, "found 1 to 2147483648"),
        ({"id": [1.0, 2.0]}, "expected whole numbers"),
        ({"id": np.empty(0, np.int64)}, "its unit table is empty"),
        ({"snr": [1.0, 2.0, 3.0]}, "expected 2 rows"),
    ],
)
def test_wrong_units(path, columns, said):
    replace_units(path, **columns)
    with pytest.raises(UserError, match=said):
        read_session(path)
    refusal(path)


@pytest.mark.parametrize("gone", ["spike_times", "spike_times_index"])
def test_missing_unit_columns(path, gone):
    make_nwb(path, {name: v for name, v in spikes(*GOOD).items() if name != gone})
    assert "expected" in refusal(path)


def test_no_units(path):
    make_nwb(path)
    assert "it has no unit table" in refusal(path)


def test_no_file(path):
    assert "there is none" in refusal(path)


def test_no_hdf5(path):
    path.write_text("spikes,times\n")
    assert "is none" in refusal(path)


def test_no_nwb(path):
    with h5py.File(path, "w") as file:
        file["data"] = [1]
    assert "HDF5 without nwb_version" in refusal(path)


def test_nwb_1(path):
    with h5py.File(path, "w") as file:
        file["nwb_version"] = "NWB-1.0.5"
    assert "is NWB 1" in refusal(path)


def test_interval_columns_of_other_lengths(path):
    trials = {"start_time": [0.0, 1.0], "stop_time": [1.0, 2.0], "label": ["a"]}
    make_nwb(path, spikes(*GOOD), {"intervals/trials": trials})
    assert "expected 2 rows in /intervals/trials/label" in refusal(path)


@pytest.mark.parametrize("index", [[1, 2], [3, 1], [0, 9], [1]])
def test_electrode_references_that_do_not_fit(path, index):
    units = spikes(*GOOD) | {"electrodes": [0, 5, -7], "electrodes_index": index}
    make_nwb(path, units, electrodes={"id": [1], "location": ["VISp"]})
    if index == [1, 2]:  # rows that are not there mean that the area is not known
        assert read_session(path).units.areas.tolist() == ["VISp", ""]
    else:
        assert "one run of electrodes" in refusal(path)


@pytest.mark.parametrize("name", ["spike_times", "spike_times_index", "id", "snr"])
@pytest.mark.parametrize("chunks", [None, (1024,)])
def test_claimed_sizes_take_no_memory(path, name, chunks):
    make_nwb(path, spikes(*GOOD) | {"snr": [1.0, 2.0]})
    with h5py.File(path, "a") as file:
        dtype = file[f"units/{name}"].dtype
        del file[f"units/{name}"]
        file["units"].create_dataset(name, (LARGE,), dtype, chunks=chunks)
    assert "claims" in refusal(path) or "expected" in refusal(path)


def write_good(path):
    trials = {
        "start_time": np.arange(50.0),
        "stop_time": np.arange(50) + 0.5,
        "label": ["a", "b"] * 25,
        "angle": np.arange(50) * 7.0,
    }
    rng = np.random.default_rng(1)
    units = spikes(*[np.sort(rng.uniform(0, 50, 40)) for _ in range(8)])
    electrodes = {"id": np.arange(8), "location": ["VISp"] * 8}
    make_nwb(
        path,
        units | {"peak_channel_id": np.arange(8), "quality": ["good"] * 8},
        {"intervals/trials": trials, "intervals/invalid_times": {"start_time": [3.0]}},
        electrodes,
    )
    return path.read_bytes()


@pytest.fixture(scope="module")
def good_bytes(tmp_path_factory):
    return write_good(tmp_path_factory.mktemp("good") / "session.nwb")


def read_or_refuse(path):
    """Read a file; whatever is wrong with it must be said in one line."""
    try:
        session = read_session(path)
    except UserError as error:
        said = str(error)
    else:
        said = ""
    assert "\n" not in said
    if said:
        return None
    assert len(session.spike_offsets) == len(session.units) + 1
    assert session.spike_offsets[-1] == len(session.spike_times_us)
    return session


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(share=st.floats(0, 0.9999))
def test_cut_off_files(tmp_path, good_bytes, share):
    path = tmp_path / "cut.nwb"
    path.write_bytes(good_bytes[: int(len(good_bytes) * share)])
    assert read_or_refuse(path) is None


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damaged_files(tmp_path, good_bytes, data):
    path = tmp_path / "damaged.nwb"
    damaged = bytearray(good_bytes)
    for _ in range(data.draw(st.integers(1, 12))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged)
    read_or_refuse(path)


NUMBERS = st.floats(width=64) | st.integers(-(2**62), 2**62).map(float)
WORDS = st.text(
    st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=8
) | st.sampled_from(["null", "nan", "1", "2.5", "-0", "1e400", "True"])


@st.composite
def columns(draw):
    rows = draw(st.integers(0, 6))
    kinds = st.one_of(
        st.lists(NUMBERS, min_size=rows, max_size=rows).map(np.array),
        st.lists(st.integers(-(2**31), 2**31 - 1), min_size=rows, max_size=rows).map(
            lambda values: np.array(values, np.int64)
        ),
        st.lists(WORDS, min_size=rows, max_size=rows).map(lambda v: np.array(v, object)),
        st.lists(st.booleans(), min_size=rows, max_size=rows).map(lambda v: np.array(v, bool)),
    )
    names = st.sampled_from(
        ["start_time", "stop_time", "label", "angle", "tags", "tags_index", "id", "stimulus_block"]
    )
    return draw(st.dictionaries(names, kinds, max_size=6))


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(trials=columns(), invalid=columns())
def test_hostile_tables(tmp_path, trials, invalid):
    path = tmp_path / "hostile.nwb"
    make_nwb(
        path,
        spikes([0.1]),
        {"intervals/trials": trials, "intervals/invalid_times": invalid},
    )
    session = read_or_refuse(path)
    for table in session.presentations.values() if session else ():
        assert (np.diff(table.start_us) >= 0).all()
        assert {len(table.start_us)} == {len(table.stop_us), *map(len, table.columns.values())}
        assert all(column.dtype.kind in "fU" for column in table.columns.values())

"""What fuzzing has found, made by hand: each once hung, crashed or said too much."""

import io
import json
import zipfile

import h5py
import numpy as np
import pytest

from offline.train import train_bundle
from rtdecode.bundle import INFO_FILE, load_bundle
from rtdecode.bundle_parts import PartsError, check_parts
from rtdecode.errors import UserError
from rtdecode.session import read_session
from rtdecode.session.heaps import HEADER, SIGNATURE
from rtdecode.windows import WindowSpec
from tests.decoding.sessions import tuned_session
from tests.fuzz.files import zipped
from tests.session.test_hostile import write_good


def test_a_heap_without_end_is_refused(tmp_path):
    """HDF5 1.14 goes round in it for ever."""
    content = bytearray(write_good(tmp_path / "session.nwb"))
    heap = content.find(SIGNATURE)
    size = int.from_bytes(content[heap + 8 : heap + 16], "little")
    place = heap + HEADER
    while int.from_bytes(content[place : place + 2], "little"):
        place += HEADER + -(-int.from_bytes(content[place + 8 : place + 16], "little") // 8) * 8
    assert place < heap + size
    read_session(tmp_path / "session.nwb")
    content[place + 8 : place + 16] = bytes(8)
    (tmp_path / "session.nwb").write_bytes(content)
    with pytest.raises(UserError, match="has no end"):
        read_session(tmp_path / "session.nwb")


@pytest.mark.parametrize("elements", ["a group", "too few words"])
def test_codes_that_stand_for_no_word_are_refused_or_stay_codes(tmp_path, elements):
    path = tmp_path / "session.nwb"
    write_good(path)
    with h5py.File(path, "a") as file:
        codes = file.create_dataset("intervals/trials/code", data=np.full(50, 7, np.int8))
        file["words"] = np.array([b"a", b"b"])
        codes.attrs["elements"] = file["units" if elements == "a group" else "words"].ref
    if elements == "a group":
        assert set(read_session(path).presentations["trials"].columns["code"]) == {7.0}
    else:
        with pytest.raises(UserError, match="codes from 7 to 7 for 2 words"):
            read_session(path)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """The parts of a bundle."""
    path = tmp_path_factory.mktemp("bundle") / "good.pt"
    window, task = WindowSpec.parse("0:100:50"), "drifting_gratings.orientation"
    train_bundle(tuned_session(n_units=6, trials=12), task, "lda", window, path)
    with zipfile.ZipFile(path) as archive:
        check_parts(archive)
        return {name: archive.read(name) for name in archive.namelist()}


def refused(parts, path):
    """Why these parts are no bundle."""
    path.write_bytes(zipped(parts, zipfile.ZIP_STORED))
    with pytest.raises(UserError, match="expected to be an rtdecode bundle"):
        load_bundle(path)
    with zipfile.ZipFile(path) as archive, pytest.raises(PartsError) as caught:
        check_parts(archive)
    return str(caught.value)


@pytest.mark.parametrize(
    "said",
    [
        {"golden_counts": [[0] * 6, [0] * 5]},
        {"golden_counts": [[0] * 5 + [1 << 70], [0] * 6]},
        {"unit_ids": [1 << 70, *range(101, 106)]},
        {"unit_ids": [101, *range(101, 106)]},
        {"classes": ["a", "a", "b", "c"]},
        {"class_geometry": [[1.0, 0.0], [1.0]]},
        {"steps": [1 << 70]},
        {"window": {"offset_us": 1 << 70, "duration_us": 100_000, "bin_us": 50_000}},
    ],
)
def test_a_description_of_what_cannot_be_is_refused(parts, tmp_path, said):
    """Ids, counts and times beyond what arrays hold; rows of unequal length; the same twice."""
    path = tmp_path / "b.pt"
    path.write_bytes(described(parts, said))
    with pytest.raises(UserError, match=f"does not fit .{next(iter(said))}"):
        load_bundle(path)


def test_a_model_that_cannot_decide_as_early_as_it_says_is_refused(parts, tmp_path):
    path = tmp_path / "b.pt"
    path.write_bytes(described(parts, {"steps": [1]}))
    with pytest.raises(UserError, match="found that it cannot"):
        load_bundle(path)


def described(parts, said):
    """A bundle that says something else of itself."""
    name = next(name for name in parts if name.endswith(INFO_FILE))
    info = json.loads(parts[name]) | said
    return zipped(parts | {name: json.dumps(info).encode()}, zipfile.ZIP_STORED)


@pytest.mark.parametrize("held", [0, 8])
def test_a_tensor_without_its_numbers_is_refused(parts, tmp_path, held):
    """Torch would read what lies beyond them in memory."""
    name = next(name for name in parts if name.endswith("constants/0"))
    assert len(parts[name]) > held
    changed = parts | {name: parts[name][:held]}
    assert f"in {held} bytes" in refused(changed, tmp_path / "b.pt")


def test_a_tensor_that_ends_beyond_its_numbers_is_refused(parts, tmp_path):
    """The pickled shape says more than the numbers that are there."""
    name = next(name for name in parts if name.endswith("constants.pkl"))
    shape = bytes([ord("K"), 12, ord("K"), 4])  # 2 bins of 6 units, 4 classes
    assert parts[name].count(shape) == 1
    changed = parts | {name: parts[name].replace(shape, bytes([ord("K"), 13, ord("K"), 4]))}
    assert "a tensor that ends at" in refused(changed, tmp_path / "b.pt")


def test_packed_parts_that_unfold_to_too_much_are_refused(parts, tmp_path):
    name = next(name for name in parts if name.endswith(".py"))
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, bytes(1 << 27))
    with zipfile.ZipFile(target) as archive, pytest.raises(PartsError, match="packed parts"):
        check_parts(archive)
    assert len(target.getvalue()) < 1 << 20

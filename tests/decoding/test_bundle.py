"""A bundle holds all that a rig needs, and says when it is damaged."""

import json
import zipfile

import numpy as np
import pytest
import torch

from rtdecode.bundle import INFO_FILE, BundleInfo, SessionUsed, save_bundle
from rtdecode.decoder import Decoder
from rtdecode.errors import UserError
from rtdecode.tasks import label_rule
from rtdecode.windows import WindowSpec

BINS, UNITS = 4, 6


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.map = torch.nn.Linear(BINS * UNITS, 3, bias=False)
        self.map.weight.data.normal_(generator=generator)

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.map(counts.flatten(1)), dim=1)

    @torch.jit.export
    def upto(self, counts: torch.Tensor, n_bins: int) -> torch.Tensor:
        kept = counts.clone()
        kept[:, n_bins:] = 0
        return self.forward(kept)


def info(**changes) -> BundleInfo:
    fields = {
        "model": "net",
        "task": "drifting_gratings.orientation",
        "label_rule": label_rule("drifting_gratings.orientation"),
        "classes": ("0", "45", "90"),
        "unit_ids": tuple(range(10, 10 + UNITS)),
        "unit_areas": ("VISp",) * UNITS,
        "window": WindowSpec.parse("0:100:25"),
        "sessions": (SessionUsed(name="s", last_training_onset_us=5),),
    }
    return BundleInfo(**(fields | changes))


@pytest.fixture
def bundle(tmp_path):
    return save_bundle(Net(), info(steps=(1, 2, 3, 4)), tmp_path / "net.pt")


def test_what_is_saved_is_loaded(bundle):
    decoder = Decoder.load(bundle)
    assert decoder.info.window == WindowSpec.parse("0:100:25")
    assert decoder.info.label_rule.label_of("drifting_gratings", {"orientation": 45}) == "45"
    assert decoder.info.last_training_onset_us("s") == 5
    assert decoder.info.last_training_onset_us("other") is None
    assert {"torch", "numpy", "rtdecode"} <= set(decoder.info.versions)
    assert len(decoder.sha256) == 64
    counts = np.random.default_rng(1).poisson(1, (BINS, UNITS)).astype(np.uint16)
    expected = Net()(torch.from_numpy(counts.astype(np.float32))[None]).detach().numpy()[0]
    assert decoder.predict(counts) == pytest.approx(expected, abs=1e-6)


def test_one_window_at_a_time_is_bit_for_bit_repeatable(bundle):
    counts = np.random.default_rng(1).poisson(1, (20, BINS, UNITS)).astype(np.uint16)
    one, two = Decoder.load(bundle), Decoder.load(bundle)
    one.warm_up()
    first = [one.predict(window) for window in counts]
    assert all((a == two.predict(w)).all() for a, w in zip(first, counts, strict=True))


def test_an_early_decision_does_not_look_ahead(bundle):
    decoder = Decoder.load(bundle)
    counts = np.random.default_rng(1).poisson(1, (BINS, UNITS)).astype(np.uint16)
    other = counts.copy()
    other[2:] += 5
    assert (decoder.predict_upto(counts, 2) == decoder.predict_upto(other, 2)).all()
    assert not (decoder.predict_upto(counts, 3) == decoder.predict_upto(other, 3)).all()


class Few(Net):
    """Gives two of three probabilities until the window is whole."""

    @torch.jit.export
    def upto(self, counts: torch.Tensor, n_bins: int) -> torch.Tensor:
        found = self.forward(counts)
        return found if n_bins == counts.shape[1] else found[:, :2]


def test_early_probabilities_are_of_all_classes(tmp_path):
    path = save_bundle(Few(), info(steps=(4,)), tmp_path / "whole.pt")
    Decoder.load(path)
    path = save_bundle(Few(), info(steps=(3, 4)), tmp_path / "few.pt")
    with pytest.raises(UserError, match="found that it cannot"):
        Decoder.load(path)


class Looked(Net):
    """Knows what a count stands for up to 20."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(21, 1)

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        known = self.table(counts.flatten(1).long()).squeeze(-1)
        return torch.softmax(self.map(known), dim=1)


def test_a_window_on_which_the_model_fails_has_no_answer_and_the_next_has(tmp_path):
    path = save_bundle(Looked(), info(steps=(4,)), tmp_path / "looked.pt")
    decoder, counts = Decoder.load(path), np.zeros((BINS, UNITS), np.uint16)
    before = decoder.predict(counts)
    counts[0, 0] = 30
    with pytest.warns(UserWarning, match="no answer, since the model fails: .*out of range"):
        assert np.isnan(decoder.predict(counts)).all()
    with pytest.warns(UserWarning, match="no answer"):
        assert np.isnan(decoder.predict_upto(counts, 4)).all()
    counts[0, 0] = 0
    assert (decoder.predict(counts) == before).all()


def test_nothing_is_overwritten_unless_told(bundle):
    before = bundle.read_bytes()
    with pytest.raises(UserError, match="--force"):
        save_bundle(Net(), info(), bundle)
    assert bundle.read_bytes() == before
    save_bundle(Net(), info(model="other"), bundle, force=True)
    assert Decoder.load(bundle).info.model == "other"
    assert [path.name for path in bundle.parent.iterdir()] == [bundle.name]


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(UserError, match="no folder"):
        save_bundle(Net(), info(), tmp_path / "none" / "net.pt")


def test_a_missing_or_wrong_file_is_told(tmp_path):
    with pytest.raises(UserError, match="found none"):
        Decoder.load(tmp_path / "none.pt")
    text = tmp_path / "text.pt"
    text.write_text("not a bundle")
    with pytest.raises(UserError, match="expected to be an rtdecode bundle"):
        Decoder.load(text)


def test_a_damaged_byte_of_any_stored_file_is_told(bundle, tmp_path):
    damaged = tmp_path / "damaged.pt"
    raw = bundle.read_bytes()
    with zipfile.ZipFile(bundle) as archive:
        members = [m for m in archive.infolist() if m.compress_size]
    for member in members:
        broken = bytearray(raw)
        header = member.header_offset
        name_size = int.from_bytes(raw[header + 26 : header + 28], "little")
        extra_size = int.from_bytes(raw[header + 28 : header + 30], "little")
        data = header + 30 + name_size + extra_size
        broken[data + member.compress_size // 2] ^= 0xFF
        damaged.write_bytes(broken)
        with pytest.raises(UserError, match="expected to be an rtdecode bundle"):
            Decoder.load(damaged)


def rewritten(bundle, path, change):
    """The same bundle with its description changed and its check sums in order."""
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(path, "w") as new:
        for member in old.infolist():
            data = old.read(member)
            if member.filename.endswith(INFO_FILE):
                fields = json.loads(data)
                change(fields)
                data = json.dumps(fields).encode()
            new.writestr(member.filename, data)
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.update(schema_version=2), "schema_version"),
        (lambda f: f.update(golden_probabilities=[0.5, 0.5, 0.0]), "other probabilities"),
        (lambda f: f.update(unit_ids=[1, 2]), "says 2 units"),
        (lambda f: f.update(window={"offset_us": 0, "duration_us": 9, "bin_us": 2}), "something"),
    ],
)
def test_a_description_that_does_not_fit_is_told(bundle, tmp_path, change, said):
    with pytest.raises(UserError, match=said):
        Decoder.load(rewritten(bundle, tmp_path / "changed.pt", change))


def test_other_units_are_refused_with_the_numbers(bundle):
    decoder = Decoder.load(bundle)
    decoder.check_units(np.arange(100))
    with pytest.raises(UserError, match="expects 6 units, found 2 of them among the 12 given"):
        decoder.check_units(np.arange(12))

"""What a user may get wrong: one line that says what to do, exit code 2, nothing written."""

import sys

import h5py
import numpy as np
import pytest

from offline.models.linear import LinearClassifier
from offline.simulate import session_path, simulate
from rtdecode.bundle import BundleInfo, save_bundle
from rtdecode.cli import main
from rtdecode.decoder import Decoder
from rtdecode.errors import UserError
from rtdecode.tasks import label_rule
from rtdecode.windows import WindowSpec


@pytest.fixture(scope="module")
def mouse(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mouse")
    simulate(folder, 1, 5, "small")
    return session_path(folder, "small", 5, 0)


def refusal(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["rtdecode", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert [line.startswith("rtdecode: ") for line in lines].count(True) == 1
    assert lines[-1].startswith("rtdecode: ")
    return lines[-1]


@pytest.mark.parametrize(
    ("task", "options", "told"),
    [
        ("natural-movie", (), "a task is TABLE.COLUMN"),
        ("gabors.orientation", (), "has drifting_gratings, natural_scenes"),
        ("static_gratings.stimulus_name", (), "choose another column"),
        ("static_gratings.colour", (), "choose one of these"),
        ("natural-scenes", ("--train-share", "0.05"), "at least 2 training trials"),
        ("static-gratings-orientation", ("--areas", "VISpm"), "VISpm"),
        ("static-gratings-orientation", ("--window", "0:250:40"), "change its end or its bin"),
        ("static-gratings-orientation", ("--model", "oracle"), "a model is one of"),
        ("static-gratings-orientation", ("--split", "odd"), "a split is one of"),
        ("static-gratings-orientation", ("--train-share", "1"), "between 0 and 1"),
        ("static-gratings-orientation", ("--device", "tpu"), "cpu or cuda"),
        ("static-gratings-orientation", ("--model", "unit-set"), "two or more sessions"),
    ],
)
def test_training_refuses(mouse, tmp_path, monkeypatch, capsys, task, options, told):
    out = tmp_path / "b.pt"
    line = refusal(monkeypatch, capsys, "train", mouse, "--task", task, "--out", out, *options)
    assert told in line
    assert list(tmp_path.iterdir()) == []


def test_one_model_of_one_session(mouse, tmp_path, monkeypatch, capsys):
    arguments = ("train", mouse, mouse, "--task", "natural-vs-artificial")
    line = refusal(monkeypatch, capsys, *arguments, "--out", tmp_path / "b.pt")
    assert "is trained on one session" in line


def test_spikes_at_no_time_are_refused(mouse, tmp_path, monkeypatch, capsys):
    broken = tmp_path / "broken.nwb"
    broken.write_bytes(mouse.read_bytes())
    with h5py.File(broken, "r+") as file:
        file["units/spike_times"][5::1000] = np.nan
    line = refusal(
        *(monkeypatch, capsys, "train", broken, "--task", "static-gratings-orientation"),
        *("--out", tmp_path / "b.pt"),
    )
    assert "broken.nwb" in line
    assert not (tmp_path / "b.pt").exists()


@pytest.fixture
def bundle(tmp_path):
    info = BundleInfo(
        model="lda",
        task="natural-vs-artificial",
        label_rule=label_rule("natural-vs-artificial"),
        classes=("artificial", "natural"),
        unit_ids=(1, 2, 3),
        unit_areas=("", "", ""),
        window=WindowSpec.parse("0:250:25"),
    )
    module = LinearClassifier(np.ones((2, 30)), np.zeros(2))
    return save_bundle(module, info, tmp_path / "bundle.pt")


def test_counts_of_other_bins_are_refused(bundle):
    decoder = Decoder.load(bundle)
    with pytest.raises(UserError, match=r"10 bins and 3 units .* found \(1, 3\)"):
        decoder.predict(np.ones((1, 3), np.uint16))


def test_a_bundle_of_other_bins_than_its_model_is_refused(bundle, tmp_path):
    info = Decoder.load(bundle).info.model_copy(update={"window": WindowSpec.parse("0:250:50")})
    with pytest.raises(RuntimeError):
        save_bundle(LinearClassifier(np.ones((2, 30)), np.zeros(2)), info, tmp_path / "other.pt")
    assert not (tmp_path / "other.pt").exists()


def test_transfer_refuses(bundle, mouse, tmp_path, monkeypatch, capsys):
    out = tmp_path / "new.pt"
    told = {
        (): "holds no class geometry",
        ("--method", "zero-shot"): "--model unit-set",
        ("--method", "magic"): "a method is one of",
        ("--trials-per-class", "100000"): "use fewer --trials-per-class",
        ("--areas", "VISpm"): "VISpm",
    }
    for options, text in told.items():
        line = refusal(monkeypatch, capsys, "transfer", bundle, mouse, "--out", out, *options)
        assert text in line
    assert not out.exists()


def test_evaluate_refuses(mouse, tmp_path, monkeypatch, capsys):
    told = {
        ("--models", "oracle"): "a model is one of",
        ("--task", "gabors.orientation"): "natural_scenes",
        ("--device", "tpu"): "cpu or cuda",
    }
    for options, text in told.items():
        task = () if "--task" in options else ("--task", "natural-vs-artificial")
        line = refusal(monkeypatch, capsys, "evaluate", mouse, *task, *options)
        assert text in line

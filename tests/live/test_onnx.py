"""The onnx backend: onnxruntime says what TorchScript says, for every kind of model."""

import importlib.util
import sys

import numpy as np
import pytest
import torch

from offline.models.data import TrainingData, time_groups
from offline.models.registry import fit_model
from rtdecode.backends import load_decoder
from rtdecode.bundle import BundleInfo, save_bundle
from rtdecode.decoder import Decoder
from rtdecode.errors import UserError
from rtdecode.onnx_decoder import export
from rtdecode.tasks import LabelRule, TableRule
from rtdecode.windows import WindowSpec

UNITS, CLASSES = 12, 3
WINDOW = WindowSpec.parse("0:250:25")
needs_onnx = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime")),
    reason="the extra onnx is not installed",
)


def new_bundle(path, module, model, steps=()):
    """A bundle of this module."""
    rule = LabelRule(task="bench.class", tables={"bench": TableRule(columns=("class",))})
    info = BundleInfo(
        model=model, task="bench.class", label_rule=rule, window=WINDOW, steps=steps,
        classes=tuple("abc"), unit_ids=tuple(range(UNITS)), unit_areas=("VISp",) * UNITS,
    )  # fmt: skip
    return save_bundle(module, info, path)


@pytest.fixture(scope="module")
def data():
    """Trials whose rates depend on their class."""
    rng = np.random.default_rng(0)
    codes = np.arange(180) % CLASSES
    rates = rng.gamma(1.0, 0.4, (CLASSES, WINDOW.n_bins, UNITS))
    counts = rng.poisson(rates[codes]).astype(np.uint16)
    return TrainingData(counts, codes.astype(np.int64), CLASSES, time_groups(len(codes)))


class Looked(torch.nn.Module):
    """Knows what a count stands for up to 20."""

    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(21, 1)
        self.map = torch.nn.Linear(WINDOW.n_bins * UNITS, CLASSES)

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        known = self.table(counts.flatten(1).long()).squeeze(-1)
        return torch.softmax(self.map(known), dim=1)


@needs_onnx
def test_a_window_on_which_the_model_fails_has_no_answer_and_the_next_has(tmp_path):
    onnx = load_decoder(new_bundle(tmp_path / "looked.pt", Looked(), "looked"), "onnx")
    counts = np.zeros(onnx.info.shape, np.uint16)
    before = onnx.predict(counts)
    counts[0, 0] = 30
    with pytest.warns(UserWarning, match="no answer, since the model fails: .*out of"):
        assert np.isnan(onnx.predict(counts)).all()
    counts[0, 0] = 0
    assert (onnx.predict(counts) == before).all()


@needs_onnx
@pytest.mark.parametrize("name", ["lda", "poisson", "logistic", "cnn", "ensemble"])
def test_it_equals_torchscript(name, data, tmp_path):
    path = new_bundle(tmp_path / "decoder.pt", fit_model(name, data), name)
    script, onnx = load_decoder(path), load_decoder(path, "onnx")
    answers = []
    for counts in (np.zeros(script.info.shape, np.uint16), *data.counts[:20]):
        expected = script.predict(counts)
        answers.append(onnx.predict(counts))
        np.testing.assert_allclose(answers[-1], expected, rtol=0, atol=1e-6)
    assert not np.allclose(answers[1], answers[2], atol=1e-3), "each answer is an array of its own"


class Eigen(torch.nn.Module):
    """Eigenvalues: ONNX has no word for them."""

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        flat = counts.flatten(1)
        found = torch.linalg.eigvals(flat[:, :9].reshape(-1, 3, 3))
        return torch.softmax(torch.abs(found), dim=1)


@needs_onnx
def test_a_model_that_onnx_cannot_hold_is_refused(tmp_path):
    path = new_bundle(tmp_path / "decoder.pt", Eigen(), "eigen")
    with pytest.raises(UserError, match=r"found 'eigen' \(.*eigvals.*--backend torchscript"):
        load_decoder(path, "onnx")


@needs_onnx
def test_a_bundle_that_decides_within_its_window_is_refused(data, tmp_path):
    module = fit_model("early-lda", data)
    path = new_bundle(tmp_path / "decoder.pt", module, "early-lda", steps=(5, 10))
    with pytest.raises(UserError, match=r"'early-lda' \(it decides within its window\)"):
        load_decoder(path, "onnx")


def test_without_the_packages_it_says_what_to_install(data, tmp_path, monkeypatch):
    path = new_bundle(tmp_path / "decoder.pt", fit_model("lda", data), "lda")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "onnxruntime" else find_spec(name, *rest),
    )
    with pytest.raises(UserError, match=r"found no onnxruntime: pip install 'rtdecode\[onnx\]'"):
        load_decoder(path, "onnx")


@needs_onnx
def test_the_export_is_a_model_that_onnx_itself_accepts(data, tmp_path):
    import onnx

    decoder = Decoder.load(new_bundle(tmp_path / "decoder.pt", fit_model("lda", data), "lda"))
    onnx.checker.check_model(onnx.load_from_string(export(decoder._module, decoder.info)))

"""The event backend: spike by spike, it says what TorchScript says of the counts."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.random_bundle import write_random_bundle
from rtdecode.backends import EventDecoder, load_decoder
from rtdecode.bundle import save_bundle
from rtdecode.decoder import Decoder
from rtdecode.engine import EngineSettings
from rtdecode.errors import UserError
from rtdecode.kernels.sums import add_to_open
from rtdecode.virtual import new_engine

UNITS, CLASSES = 40, 7


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "decoder.pt"
    write_random_bundle(path, UNITS, CLASSES)
    return path


def run(decoder: Decoder, seed: int, capacity: int, per_pull: int) -> list[tuple[int, np.ndarray]]:
    """Overlapping windows over shuffled spikes; markers come after half of their spikes."""
    rng = np.random.default_rng(seed)
    engine = new_engine(decoder, EngineSettings(capacity=capacity, retain_us=200_000))
    if isinstance(decoder, EventDecoder):
        decoder.follow(engine)
    follower = engine.follower
    times_us = np.sort(rng.integers(1_000_000, 3_000_000, 4000)) + rng.integers(0, 3000, 4000)
    ids = rng.integers(0, UNITS, 4000)
    onsets = list(range(1_050_003, 2_700_000, 61_007))
    found = []
    for sequence, low in enumerate(range(0, 4000, per_pull)):
        rows = slice(low, low + per_pull)
        n = len(times_us[rows])
        samples = np.stack([ids[rows], low + sequence + np.arange(n)], axis=1).astype(np.int32)
        now_us = int(times_us[rows].max())
        engine.ingest(samples, times_us[rows], now_us)
        mark = np.array([[-1, low + sequence + n]], np.int32)
        engine.ingest(mark, np.array([times_us[rows].min() - 3000]), now_us)
        if isinstance(decoder, EventDecoder):
            add_to_open(engine.intake.ring, decoder.sums)
        while onsets and onsets[0] + 120_000 < now_us:
            engine.follower = follower if len(onsets) % 5 else None  # some have no slot
            engine.mark(onsets.pop(0))
        found += [(d.in_window, d.probabilities.copy()) for d in engine.step(now_us)]
    return found


@pytest.mark.parametrize("capacity", [1 << 20, 1024])
@pytest.mark.parametrize("per_pull", [1, 37])
def test_summed_windows_equal_torchscript(bundle: Path, capacity: int, per_pull: int) -> None:
    expected = run(load_decoder(bundle), 3, capacity, per_pull)
    found = run(load_decoder(bundle, "event"), 3, capacity, per_pull)
    assert len(found) == len(expected) > 20
    assert [n for n, _ in found] == [n for n, _ in expected]
    assert min(n for n, _ in expected) > 100
    assert not np.allclose(expected[0][1], expected[1][1], atol=1e-3)
    for (_, ours), (_, theirs) in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


def test_counts_alone_equal_torchscript(bundle: Path) -> None:
    rng = np.random.default_rng(4)
    script, event = load_decoder(bundle), load_decoder(bundle, "event")
    for rate in (0.0, 0.1, 3.0):
        counts = rng.poisson(rate, script.info.shape).astype(np.uint16)
        np.testing.assert_allclose(event.predict(counts), script.predict(counts), rtol=0, atol=1e-6)


def test_more_windows_than_slots_are_taken_from_their_counts(bundle: Path) -> None:
    decoder = load_decoder(bundle, "event")
    assert isinstance(decoder, EventDecoder)
    engine = new_engine(decoder)
    decoder.follow(engine)
    for onset_us in range(0, 100_000, 1000):
        engine.mark(onset_us)
    ends = np.array([[0, 0], [-1, 1]], np.int32)
    engine.ingest(ends, np.array([100_000, 400_000]), 400_000)
    script = load_decoder(bundle)
    for decision in engine.step(400_000):
        np.testing.assert_allclose(
            decision.probabilities, script.predict(decision.counts), rtol=0, atol=1e-6
        )
    assert (decoder.sums.start_us == 2**62).all()


class TwoLayers(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(10 * UNITS, 5)
        self.second = torch.nn.Linear(5, CLASSES)

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.second(torch.relu(self.first(counts.flatten(1)))), dim=1)


def test_a_model_that_is_not_linear_is_refused(bundle: Path, tmp_path: Path) -> None:
    info = Decoder.load(bundle).info.model_copy(update={"model": "two-layers"})
    save_bundle(TwoLayers(), info, tmp_path / "deep.pt")
    with pytest.raises(UserError, match=r"linear model.*'two-layers'.*--backend torchscript"):
        load_decoder(tmp_path / "deep.pt", "event")


def test_a_backend_that_is_none_is_refused(bundle: Path) -> None:
    with pytest.raises(UserError, match="torchscript, onnx or event"):
        load_decoder(bundle, "abacus")


def test_windows_that_are_dropped_give_their_slots_back(bundle: Path) -> None:
    decoder = load_decoder(bundle, "event")
    assert isinstance(decoder, EventDecoder)
    engine = new_engine(decoder, EngineSettings(hop_us=10_000))
    decoder.follow(engine)
    engine.ingest(np.array([[-1, 0], [-1, 1]], np.int32), np.array([0, 200_000]), 200_000)
    assert list(engine.step(200_000)) == []
    assert (decoder.sums.start_us < 2**62).sum() == 21
    engine.slide_until(260_000)
    assert (decoder.sums.start_us < 2**62).sum() == 2
    decoder.follow(new_engine(decoder))
    assert (decoder.sums.start_us == 2**62).all()

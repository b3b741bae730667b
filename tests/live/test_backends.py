"""The event backend: spike by spike, it says what TorchScript says of the counts."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtdecode.backends import load_decoder
from rtdecode.decoder import Decoder
from rtdecode.engine import EngineSettings
from rtdecode.errors import UserError
from rtdecode.event_counts import MOST
from rtdecode.event_decoder import EventDecoder
from rtdecode.kernels.sums import add_to_open
from rtdecode.virtual import new_engine
from tests.live.event_models import BINS, FIT, UNFIT, UNITS, write


def random_bundle(folder: Path, name: str, seed: int = 0) -> Path:
    return write(folder, name, FIT[name](np.random.default_rng(seed)), seed)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return random_bundle(tmp_path, "lda")


@pytest.fixture(params=FIT)
def any_bundle(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return random_bundle(tmp_path, request.param)


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
def test_summed_windows_equal_torchscript(any_bundle: Path, capacity: int, per_pull: int) -> None:
    expected = run(load_decoder(any_bundle), 3, capacity, per_pull)
    found = run(load_decoder(any_bundle, "event"), 3, capacity, per_pull)
    assert len(found) == len(expected) > 20
    assert [n for n, _ in found] == [n for n, _ in expected]
    assert min(n for n, _ in expected) > 100
    assert not np.allclose(expected[0][1], expected[1][1], atol=1e-3)
    for (_, ours), (_, theirs) in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(FIT)), st.integers(0, 2), st.floats(0, 3), st.integers(0, 2**32 - 1))
def test_counts_alone_equal_torchscript(
    tmp_path_factory: pytest.TempPathFactory, name: str, which: int, rate: float, seed: int
) -> None:
    script, event = loaded(tmp_path_factory, name, which)
    counts = np.random.default_rng(seed).poisson(rate, script.info.shape).astype(np.uint16)
    np.testing.assert_allclose(event.predict(counts), script.predict(counts), rtol=0, atol=1e-6)


KEPT: dict[tuple[str, int], tuple[Decoder, Decoder]] = {}


def loaded(factory: pytest.TempPathFactory, name: str, which: int) -> tuple[Decoder, Decoder]:
    """One of a model's random bundles by both backends, read once."""
    if (name, which) not in KEPT:
        path = random_bundle(factory.mktemp("bundle"), name, which)
        KEPT[name, which] = load_decoder(path), load_decoder(path, "event")
    return KEPT[name, which]


@pytest.mark.parametrize("name", ["lda", "grey-lda", "shallow"])
def test_more_spikes_of_a_unit_than_are_known_of_are_decoded_all_the_same(
    tmp_path: Path, name: str
) -> None:
    path = random_bundle(tmp_path, name)
    script, event = load_decoder(path), load_decoder(path, "event")
    assert isinstance(event, EventDecoder)
    for n in (MOST, MOST + 1):
        counts = np.zeros((BINS, UNITS), np.uint16)
        counts[0, 3] = n
        np.testing.assert_allclose(event.predict(counts), script.predict(counts), rtol=0, atol=1e-6)
        engine = new_engine(event, EngineSettings(dedup_us=0))
        event.follow(engine)
        engine.mark(0)
        samples = np.stack([np.full(n + 2, 3), np.arange(n + 2)], axis=1).astype(np.int32)
        samples[[0, -1], 0] = -1
        engine.ingest(samples, np.array([0, *[5] * n, 250_000]), 250_000)
        add_to_open(engine.intake.ring, event.sums)
        (decision,) = engine.step(250_000)
        assert decision.in_window == n
        np.testing.assert_allclose(
            decision.probabilities, script.predict(decision.counts), rtol=0, atol=1e-6
        )


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


@pytest.mark.parametrize("name", UNFIT)
def test_a_model_that_does_not_fit_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    make, why = UNFIT[name]
    path = write(tmp_path, name, make(np.random.default_rng(0)))
    with pytest.raises(UserError) as refused:
        load_decoder(path, "event")
    said = str(refused.value)
    assert f"linear in the counts, or in one measure of each, found '{name}' (" in said
    assert why in said
    assert said.endswith("decode it with --backend torchscript")
    assert "\n" not in said


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

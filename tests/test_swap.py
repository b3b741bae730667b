"""A bundle exchanged while windows are open: none is missed, each is decided by one of the two."""

import numpy as np
import pytest

from offline.models.linear import LinearClassifier
from rtdecode.backends import follow, load_decoder
from rtdecode.bundle import BundleInfo, save_bundle
from rtdecode.engine import EngineSettings
from rtdecode.errors import UserError
from rtdecode.kernels.sums import add_to_open
from rtdecode.swap import check_successor, load_successor
from rtdecode.tasks import LabelRule, TableRule
from rtdecode.virtual import new_engine
from rtdecode.windows import WindowSpec

UNITS, CLASSES = 12, ("0", "45", "90")


def write(folder, seed, **changed):
    """A linear bundle with random weights."""
    told = {
        "model": "lda",
        "task": "t",
        "label_rule": LabelRule(task="t", tables={"t": TableRule(columns=("c",))}),
        "classes": CLASSES,
        "unit_ids": tuple(range(UNITS)),
        "window": WindowSpec.parse("0:100:50"),
    } | changed
    info = BundleInfo(unit_areas=("",) * len(told["unit_ids"]), **told)
    rng = np.random.default_rng(seed)
    shape = (len(info.classes), info.window.n_bins * len(info.unit_ids))
    module = LinearClassifier(rng.normal(0, 0.3, shape), rng.normal(0, 1, len(info.classes)))
    return save_bundle(module, info, folder / f"{seed}.pt")


@pytest.mark.parametrize("backend", ["torchscript", "event"])
def test_windows_that_are_open_at_the_exchange_are_decided_by_the_successor(tmp_path, backend):
    first = load_decoder(write(tmp_path, 1), backend)
    successor = load_successor(write(tmp_path, 2), first, backend)
    scripts = [load_decoder(tmp_path / f"{seed}.pt") for seed in (1, 2)]
    engine = new_engine(first, EngineSettings(capacity=1 << 12))
    sums = follow(first, engine)
    rng = np.random.default_rng(5)
    decided = []
    for step in range(60):
        now_us = 1_000_000 + step * 20_000
        times_us = np.sort(rng.integers(now_us, now_us + 20_000, 40))
        samples = np.stack([rng.integers(0, UNITS, 41), step * 41 + np.arange(41)], axis=1)
        samples[-1, 0] = -1
        engine.ingest(samples.astype(np.int32), np.append(times_us, now_us + 20_000), now_us)
        add_to_open(engine.intake.ring, sums)
        engine.mark(now_us + 20_000)
        for decision in engine.step(now_us + 20_000):
            decided.append((decision.window.number, step >= 30))
            expected = scripts[step >= 30].predict(decision.counts)
            np.testing.assert_allclose(decision.probabilities, expected, rtol=0, atol=1e-6)
            assert decision.complete
            assert decision.in_window > 100
        if step == 29:
            assert engine.next_end_us is not None
            engine.decide_with(successor.predict)
            sums = follow(successor, engine)
    assert [number for number, _ in decided] == list(range(len(decided)))
    assert sum(late for _, late in decided) > 20 < sum(not late for _, late in decided)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"unit_ids": tuple(range(1, UNITS + 1))}, "found other units"),
        ({"unit_ids": tuple(range(UNITS))[::-1]}, "found other units"),
        ({"classes": ("0", "90", "45")}, "found other classes"),
        ({"window": WindowSpec.parse("0:120:60")}, "found other window"),
        ({"label_rule": LabelRule(task="t", tables={})}, "found other stimuli"),
        (
            {"classes": ("0", "1"), "unit_ids": (1, 2)},
            "found other units and classes: stop the decoder",
        ),
    ],
)
def test_a_bundle_that_would_need_other_streams_is_refused(tmp_path, changed, told):
    running = load_decoder(write(tmp_path, 1))
    with pytest.raises(UserError, match=told):
        load_successor(write(tmp_path, 2, **changed), running, "torchscript")


def test_where_decisions_fall_early_the_steps_stay(tmp_path):
    running, successor = (load_decoder(write(tmp_path, seed)) for seed in (1, 2))
    running.info = running.info.model_copy(update={"steps": (1, 2)})
    check_successor(running, successor)
    with pytest.raises(UserError, match="found other steps"):
        check_successor(running, successor, early=True)
    successor.info = successor.info.model_copy(update={"steps": (1, 2)})
    check_successor(running, successor, early=True)


def test_another_model_of_the_same_shape_fits(tmp_path):
    check_successor(*(load_decoder(write(tmp_path, seed)) for seed in (1, 2)))

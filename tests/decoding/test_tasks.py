"""Labels, tasks and splits."""

import json

import numpy as np
import pytest

from rtdecode.errors import UserError
from rtdecode.splits import block_folds, chronological_fold, make_folds, random_folds, split_kind
from rtdecode.tasks import LabelRule, label_rule, label_text, resolve_task, sort_labels
from tests.decoding.sessions import make_session, tuned_session


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (90.0, "90"),
        (np.float64(0.04), "0.04"),
        (np.int64(-1), "-1"),
        (-0.0, "0"),
        (float("nan"), ""),
        ("null", ""),
        (None, ""),
        (" cat ", "cat"),
    ],
)
def test_label_text(value, text):
    assert label_text(value) == text


def test_rows_and_markers_get_the_same_label():
    columns = {"orientation": [90.0, float("nan"), 0.0, 135.0]}
    session = make_session({"drifting_gratings": {"start_us": [10, 20, 30, 40], **columns}})
    task = resolve_task(session, "drifting_gratings.orientation")
    assert task.labels.tolist() == ["90", "0", "135"]
    assert task.onsets_us.tolist() == [10, 30, 40]
    assert task.classes == ("0", "90", "135")
    marker = json.loads('{"stimulus_name": "drifting_gratings", "orientation": 90.0}')
    assert task.rule.label_of("drifting_gratings", marker) == "90"
    assert task.rule.label_of("drifting_gratings_presentations", marker) == "90"
    assert task.rule.label_of("natural_scenes", marker) is None
    assert task.rule.label_of("drifting_gratings", {"orientation": None}) is None


def test_a_rule_survives_json():
    for name in ("natural-vs-artificial", "static-gratings", "flashes.color"):
        rule = label_rule(name)
        assert LabelRule.model_validate_json(rule.model_dump_json()) == rule


def test_types_come_from_two_tables_in_order_of_time_without_blanks():
    session = make_session(
        {
            "natural_scenes": {
                "start_us": [0, 30, 50],
                "frame": [3.0, -1.0, 4.0],
                "stimulus_block": [9.0, 9.0, 10.0],
            },
            "static_gratings": {
                "start_us": [10, 20],
                "orientation": [30.0, float("nan")],
                "spatial_frequency": [0.04, float("nan")],
                "stimulus_block": [8.0, 8.0],
            },
        }
    )
    task = resolve_task(session, "natural-vs-artificial")
    assert task.labels.tolist() == ["natural", "artificial", "natural"]
    assert task.blocks.tolist() == [9, 8, 10]
    assert task.tables.tolist() == ["natural_scenes", "static_gratings", "natural_scenes"]
    assert resolve_task(session, "natural-scenes").labels.tolist() == ["3", "-1", "4"]


def test_labels_are_sorted_by_size():
    labels = np.array(["10", "9", "-1", "30/0.04", "30/0.02", "b", "a"])
    assert sort_labels(labels) == ("-1", "9", "10", "30/0.02", "30/0.04", "a", "b")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing", "TABLE.COLUMN"),
        ("flashes.color", "needs the stimulus table flashes"),
        ("drifting_gratings.colour", "needs column colour"),
        ("natural-vs-artificial", "natural_scenes and static_gratings"),
        ("drifting_gratings.stimulus_block", "at least 2 different labels"),
    ],
)
def test_a_task_that_is_not_there_is_told(name, said):
    table = {"start_us": [1, 2], "orientation": [0.0, 90.0], "stimulus_block": [1.0, 1.0]}
    with pytest.raises(UserError, match=said):
        resolve_task(make_session({"drifting_gratings": table}), name)


@pytest.mark.parametrize("kind", ["random", "chronological", "block"])
def test_no_trial_trains_and_is_kept_out(kind):
    task = resolve_task(tuned_session(), "drifting_gratings.orientation")
    folds = make_folds(task, kind, seed=3)
    for fold in folds:
        assert not np.intersect1d(fold.train, fold.test).size
        assert len(fold.train) + len(fold.test) == len(task)
    if kind != "chronological":
        kept = np.concatenate([fold.test for fold in folds])
        assert sorted(kept.tolist()) == list(range(len(task)))


def test_random_folds_are_even_in_every_class_and_seeded():
    task = resolve_task(tuned_session(trials=11), "drifting_gratings.orientation")
    folds = random_folds(task, 5, seed=1)
    for fold in folds:
        number = np.bincount(task.codes()[fold.test], minlength=4)
        assert number.min() >= 2
        assert number.max() <= 3
    again = random_folds(task, 5, seed=1)
    assert all((a.test == b.test).all() for a, b in zip(folds, again, strict=True))
    other = random_folds(task, 5, seed=2)
    assert any(not np.array_equal(a.test, b.test) for a, b in zip(folds, other, strict=True))


def test_chronological_trains_on_what_came_first():
    task = resolve_task(tuned_session(), "drifting_gratings.orientation")
    fold = chronological_fold(task, 0.6)
    assert len(fold.train) == 96
    assert task.onsets_us[fold.train].max() < task.onsets_us[fold.test].min()
    with pytest.raises(UserError, match="leaves 160 to train"):
        chronological_fold(task, 1.0)


def test_a_block_left_out_is_left_out_whole():
    task = resolve_task(tuned_session(blocks=4), "drifting_gratings.orientation")
    folds = block_folds(task)
    assert [fold.name for fold in folds] == ["block 0", "block 1", "block 2", "block 3"]
    for fold in folds:
        assert len(np.unique(task.blocks[fold.test])) == 1
        assert not np.isin(task.blocks[fold.train], task.blocks[fold.test]).any()


def test_blocks_that_cannot_be_left_out_are_told():
    one = resolve_task(tuned_session(blocks=1), "drifting_gratings.orientation")
    with pytest.raises(UserError, match="at least 2 blocks"):
        block_folds(one)
    table = {"start_us": [1, 2], "orientation": [0.0, 90.0], "stimulus_block": [1.0, 2.0]}
    alone = make_session({"drifting_gratings": table})
    with pytest.raises(UserError, match="stands in block 1 alone"):
        block_folds(resolve_task(alone, "drifting_gratings.orientation"))
    with pytest.raises(UserError, match="a split is one of"):
        split_kind("blok")

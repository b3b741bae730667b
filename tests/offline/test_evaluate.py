"""Evaluation: controls, pooling, the page, and a table that goes on where it stopped."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from offline import reproduce as table_of_results
from offline.controls import blank_task, compares_types, grey_task
from offline.evaluate import Settings, evaluate, model_names, pooled_accuracy
from offline.protocol import Outcome
from offline.simulate import session_path, simulate
from rtdecode.errors import UserError
from rtdecode.session import read_session
from rtdecode.tasks import NAMED_TASKS, resolve_task
from rtdecode.windows import WindowSpec

WINDOW = WindowSpec.parse("50:250")


@pytest.fixture(scope="module")
def mouse(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mouse")
    simulate(folder, 1, 5, "small")
    return session_path(folder, "small", 5, 0)


def test_types_by_way_of_stimuli_with_controls_and_page(mouse, tmp_path):
    settings = Settings("natural-vs-artificial", WINDOW, ("stimulus-lda",), "random", curves=True)
    figures = tmp_path / "f.json"
    records = evaluate([mouse], settings, json_path=figures, report=tmp_path / "page")
    found = records[0]["models"]["stimulus-lda"]
    assert found["trials"] == np.sum(found["confusion"])
    assert found["accuracy"] > 0.6
    assert "shuffled" in records[0]["controls"]
    assert json.loads(figures.read_text())["sessions"][0]["session"] == records[0]["session"]
    page = (tmp_path / "page" / "index.html").read_text()
    assert "These data are simulated." in page
    assert page.count("<img") == 7
    with pytest.raises(UserError, match="--force"):
        evaluate([mouse], settings, json_path=figures)


def test_controls_show_no_stimulus_of_the_task(mouse):
    session = read_session(mouse)
    task = resolve_task(session, "natural-vs-artificial")
    assert compares_types(task)
    assert not compares_types(resolve_task(session, "natural-scenes"))
    assert not np.isin(blank_task(session, task).onsets_us, task.onsets_us).any()
    grey = grey_task(session, task)
    for rows in session.presentations.values():
        if rows.name == "spontaneous":
            continue
        within = (grey.onsets_us[:, None] > rows.start_us) & (
            grey.onsets_us[:, None] < rows.stop_us
        )
        assert not within.any()


def test_pooling_adds_up_evidence_within_a_block(mouse):
    task = resolve_task(read_session(mouse), "natural-vs-artificial")
    rows = np.flatnonzero(task.blocks == task.blocks[0])[:16]
    codes = task.codes()[rows]
    truth = np.eye(2)[codes]
    # Three windows of each eight are wrong, none of them more sure than the others.
    flipped = np.arange(16) % 8 < 3
    p = np.where(flipped[:, None], 1 - truth, truth) * 0.4 + 0.3
    outcome = Outcome(rows, codes, p.astype(np.float32))
    assert outcome.accuracy == 10 / 16
    assert pooled_accuracy(task, outcome) == 1.0


def test_models_by_name():
    assert "stimulus-lda" in model_names("all", "natural-vs-artificial")
    assert "stimulus-lda" not in model_names("all", "natural-scenes")
    assert model_names("lda, cnn", "natural-scenes") == ("lda", "cnn")
    with pytest.raises(UserError, match="a model is one of"):
        evaluate([], Settings("natural-scenes", WINDOW, ("oracle",)))


def test_a_stopped_table_goes_on(mouse, tmp_path, monkeypatch):
    chosen = {("static-gratings-orientation", "chronological"): ("lda", "poisson")}
    monkeypatch.setattr(table_of_results, "MODELS_OF", chosen)
    monkeypatch.setattr(table_of_results, "EARLY", ("static-gratings-orientation",))
    ran = []

    def in_this_process(missing, folder, scheduler, workers):
        ran.append([cell.name for cell in missing])
        assert not any(table_of_results.run_cell(cell, folder) for cell in missing)

    monkeypatch.setattr(table_of_results, "_run", in_this_process)
    text = table_of_results.reproduce([mouse], tmp_path)
    (tmp_path / "cells" / ran[0][1]).unlink()
    again = table_of_results.reproduce([mouse], tmp_path)
    # The last column is how long a cell took: the one thing that may differ.
    assert re.sub(r"\d+ \|$", "", again, flags=re.M) == re.sub(r"\d+ \|$", "", text, flags=re.M)
    assert [len(names) for names in ran] == [4, 1]
    assert "| static-gratings-orientation | chronological | poisson | 1 |" in text
    assert "early_0_30_ms" in text
    assert "Deciding early, static-gratings-orientation:" in text


def test_each_session_is_new_once_and_learns_from_the_others():
    paths = [Path(f"m{i}.nwb") for i in range(4)]
    across = [c for c in table_of_results.cells(paths) if c.others]
    assert len(across) == 3 * 4
    assert all(set(c.others) == set(paths) - {c.path} for c in across)
    assert len({c.name for c in table_of_results.cells(paths)}) == len(
        table_of_results.cells(paths)
    )
    assert {c.settings.task for c in table_of_results.cells(paths)} == set(NAMED_TASKS)
    quick = table_of_results.cells(paths, quick=True)
    assert not any(c.others for c in quick)
    assert {c.name for c in quick} < {c.name for c in table_of_results.cells(paths)}
    assert not any(c.others for c in table_of_results.cells(paths[:2]))

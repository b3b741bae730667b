"""Accuracy on a new animal from k trials a class, with and without other animals.

Run as ``python -m offline.learning_curves SESSION... --task T --donors DIR``:
each session is a new animal; the sessions of the folder are the donors. Without
donors each session in turn is new and all the others are donors.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from offline.animals import Animal, NewAnimal, first_trials, read_animal
from offline.geometry import class_geometry, fit_with_geometry, shared_geometry
from offline.kinds_decoder import Shown, fit_with_kinds, learn_shared
from offline.models.calibration import Float64Array
from offline.models.data import TrainingData, time_groups
from offline.models.grey_lda import fit_grey_lda
from offline.models.linear import fit_lda
from offline.models.read_in import ReadInTrunk, train_read_in
from offline.models.registry import predict
from offline.protocol import Outcome, summarise
from offline.transfer import TRANSFERS, fit_behind, trials_saved
from offline.unit_kinds import UnitKinds
from offline.whitening import whitening, whole
from rtdecode.errors import UserError
from rtdecode.files import check_writable, written_whole
from rtdecode.windows import WindowSpec

CURVE_TRIALS = (1, 2, 5, 10, 20, 40)
SCRATCH = ("lda", "own", "low-rank", "grey-lda", "own+grey", "low-rank+grey")


@dataclass(frozen=True, eq=False)
class Donors:
    """What passes over: geometry (classes, classes), a trunk, and kinds of units."""

    geometry: Float64Array
    trunk: ReadInTrunk
    kinds: tuple[UnitKinds, Shown]


def learn_from(donors: Sequence[Animal], seed: int = 0, device: str = "cpu") -> Donors:
    """What several animals share: geometry, a trunk behind their read-ins, kinds of units."""
    n = len(donors[0].classes)
    geometry = shared_geometry([class_geometry(d.counts, d.codes, n, d.grey) for d in donors])
    white = [
        (whitening(d.counts, d.codes, n, d.grey).apply(whole(d.counts)), d.codes) for d in donors
    ]
    return Donors(geometry, train_read_in(white, n, seed, device)[0], learn_shared(donors))


def learning_curve(
    animal: Animal, donors: Donors, trials: Sequence[int] = CURVE_TRIALS
) -> list[dict[str, Any]]:
    """Accuracy on an animal's last fifth from k trials a class, in every way.

    From scratch: ``lda``; ``own``, the prior of `offline.geometry` without any
    donor; ``low-rank``, class means of low rank; and the three with grey.
    """
    cut = round(len(animal.codes) * 0.8)
    early, truth = animal.codes[:cut], animal.codes[cut:]
    asked = np.arange(cut, len(animal.codes))
    found = []
    for k in trials:
        if np.bincount(early, minlength=len(animal.classes)).min() < k:
            continue
        rows = first_trials(early, len(animal.classes), k)
        new = animal.calibrated_on(rows)
        for way, module in ways(new, donors, k).items():
            said = Outcome(asked, truth, predict(module, animal.counts[cut:]))
            found.append({"k": k, "way": way, **summarise(said)})
    return found


def ways(new: NewAnimal, donors: Donors, k: int) -> dict[str, torch.nn.Module]:
    """A module by each way that k trials a class allow."""
    counts, codes, n, grey = new.counts, new.codes, new.n_classes, new.grey
    found: dict[str, torch.nn.Module] = {
        "own": fit_with_geometry(counts, codes, n, None)[0],
        "own+grey": fit_with_geometry(counts, codes, n, None, grey=grey)[0],
        "low-rank": fit_with_geometry(counts, codes, n, None, low_rank=True)[0],
        "low-rank+grey": fit_with_geometry(counts, codes, n, None, grey=grey, low_rank=True)[0],
        "geometry": fit_with_geometry(counts, codes, n, donors.geometry, grey=grey)[0],
        "unit-kinds": fit_with_kinds(*donors.kinds, new),
        "read-in": fit_behind(donors.trunk, new, tuned=False),
        "fine-tuning": fit_behind(donors.trunk, new, tuned=True),
    }
    if k > 1:
        data = TrainingData(counts, codes, n, time_groups(len(codes), min(5, k)), grey=grey)
        found |= {"lda": fit_lda(data), "grey-lda": fit_grey_lda(data)}
    return found


def measure(
    paths: Sequence[Path],
    donor_paths: Sequence[Path],
    task: str,
    window: WindowSpec,
    trials: Sequence[int] = CURVE_TRIALS,
    device: str = "cpu",
) -> list[dict[str, Any]]:
    """One row for each animal, number of trials and way.

    Raises
    ------
    UserError
        If there is nobody to learn from, or the animals' classes differ.
    """
    new = [read_animal(path, task, window) for path in paths]
    donors = [read_animal(path, task, window) for path in donor_paths]
    everyone = [*new, *donors]
    if len(everyone) < 2 or len({animal.classes for animal in everyone}) > 1:
        raise UserError(
            f"expected two or more sessions with the same classes of {task}, found "
            f"{len(everyone)} with {len({a.classes for a in everyone})} sets of classes: "
            "give others"
        )
    known = learn_from(donors, device=device) if donors else None
    rows = []
    for animal in new:
        others = known or learn_from([a for a in new if a is not animal], device=device)
        curve = learning_curve(animal, others, trials)
        rows += [{"session": animal.name, **row} for row in curve]
    return rows


def medians(rows: Sequence[dict[str, Any]]) -> dict[int, dict[str, float]]:
    """Median over animals, by trials a class and way."""
    found: dict[int, dict[str, float]] = {}
    for k in sorted({row["k"] for row in rows}):
        names = sorted({row["way"] for row in rows if row["k"] == k})
        found[k] = {
            way: float(np.median([r["accuracy"] for r in rows if r["k"] == k and r["way"] == way]))
            for way in names
        }
    return found


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The curves as a table; trials saved by the best transfer against the best from scratch."""
    curve = medians(rows)
    names = (*SCRATCH, *TRANSFERS)
    lines = [
        f"| trials a class | {' | '.join(names)} | trials saved | without grey |",
        "|---|" + "---|" * (len(names) + 2),
    ]
    without = {k: {w: v for w, v in ways.items() if "grey" not in w} for k, ways in curve.items()}
    for k, found in curve.items():
        best = max((w for w in TRANSFERS if w in found), key=lambda w: found[w])
        texts = [f"{found[w]:.1%}" if w in found else "" for w in names]
        saved = [f"{trials_saved(c, k, best):.2f}" for c in (curve, without)]
        lines.append(f"| {k} | {' | '.join([*texts, *saved])} |")
    return "\n".join(lines).replace("nan", "beyond the curve") + "\n"


def main(
    sessions: list[Path],
    task: Annotated[str, typer.Option()],
    donors: Annotated[Path | None, typer.Option(help="Folder of donor sessions.")] = None,
    window: str = "50:250",
    trials: Annotated[str, typer.Option(help="Numbers with commas between.")] = "1,2,5,10,20,40",
    device: Annotated[str, typer.Option(help="Where torch fits: cpu or cuda.")] = "cpu",
    figures: Annotated[Path | None, typer.Option("--json")] = None,
    force: bool = False,
) -> None:
    """Print the learning curves as a Markdown table."""
    if figures is not None:
        check_writable(figures, force)
    known = sorted(donors.glob("*.nwb")) if donors is not None else []
    numbers = [int(k) for k in trials.split(",")]
    rows = measure(sessions, known, task, WindowSpec.parse(window), numbers, device)
    typer.echo(markdown(rows))
    if figures is not None:
        with written_whole(figures) as half:
            half.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)

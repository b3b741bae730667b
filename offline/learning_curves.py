"""Accuracy on a new animal from k trials a class, with and without other animals.

Run as ``python -m offline.learning_curves SESSION... --task T``: each session
in turn is the new animal and all the others are donors.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from offline.transfer import animal_of, learning_curve, trials_saved
from rtdecode.errors import UserError
from rtdecode.files import check_writable, written_whole
from rtdecode.session import read_session
from rtdecode.tasks import resolve_task
from rtdecode.windows import WindowSpec


def measure(paths: list[Path], task: str, window: WindowSpec) -> list[dict[str, Any]]:
    """One row for each animal, number of trials and way.

    Raises
    ------
    UserError
        If there is one animal alone, or their classes differ.
    """
    animals = []
    for path in paths:
        session = read_session(path)
        animals.append(animal_of(session, resolve_task(session, task), window))
    if len(animals) < 2 or len({animal.classes for animal in animals}) > 1:
        raise UserError(
            f"expected two or more sessions with the same classes of {task}, found "
            f"{len(animals)} with {len({a.classes for a in animals})} sets of classes: give others"
        )
    rows = []
    for animal in animals:
        donors = [other for other in animals if other is not animal]
        rows += [{"session": animal.name, **row} for row in learning_curve(animal, donors)]
    return rows


def medians(rows: list[dict[str, Any]]) -> dict[int, dict[str, float]]:
    """Median over animals, by trials a class and way."""
    found: dict[int, dict[str, float]] = {}
    for k in sorted({row["k"] for row in rows}):
        ways = sorted({row["way"] for row in rows if row["k"] == k})
        found[k] = {
            way: float(np.median([r["accuracy"] for r in rows if r["k"] == k and r["way"] == way]))
            for way in ways
        }
    return found


def main(
    sessions: list[Path],
    task: Annotated[str, typer.Option()],
    window: str = "50:250",
    figures: Annotated[Path | None, typer.Option("--json")] = None,
    force: bool = False,
) -> None:
    """Print the learning curves as a Markdown table."""
    if figures is not None:
        check_writable(figures, force)
    rows = measure(sessions, task, WindowSpec.parse(window))
    curve = medians(rows)
    typer.echo("| trials a class | LDA | own prior | geometry of others | trials saved |")
    typer.echo("|---|---|---|---|---|")
    for k, ways in curve.items():
        texts = [f"{ways[w]:.1%}" if w in ways else "" for w in ("lda", "own", "geometry")]
        typer.echo(f"| {k} | {' | '.join(texts)} | {trials_saved(curve, k):.2f} |")
    if figures is not None:
        with written_whole(figures) as half:
            half.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)

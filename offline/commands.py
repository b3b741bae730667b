"""The sub-commands that train and measure decoders; nothing heavy is imported before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SessionFile = Annotated[Path, typer.Argument(help="A recorded session (NWB).")]
TaskName = Annotated[
    str,
    typer.Option(
        "--task",
        help="TABLE.COLUMN (drifting_gratings.orientation), or natural-scenes, "
        "natural-vs-artificial, stimulus-type, static-gratings, static-gratings-orientation, "
        "drifting-gratings-direction.",
    ),
]
Window = Annotated[
    str, typer.Option("--window", metavar="START:STOP:BIN", help="Milliseconds after onset.")
]
Areas = Annotated[str, typer.Option(help="Units of these areas alone, as VISp,LGd.")]
NoFilter = Annotated[
    bool, typer.Option("--no-filter", help="Keep units that fail the quality filter.")
]
Split = Annotated[str, typer.Option(help="chronological, random or block (leave one out).")]
TrainShare = Annotated[float, typer.Option(help="First share that trains, if chronological.")]
Seed = Annotated[int, typer.Option(help="Of everything that is drawn.")]
Figures = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the figures as JSON.")
]
Force = Annotated[bool, typer.Option("--force", help="Write over files that exist.")]


def train(
    session: SessionFile,
    task: TaskName,
    out: Annotated[Path, typer.Option(help="The bundle to write.")],
    model: Annotated[str, typer.Option(help="Name of the model.")] = "lda",
    window: Window = "0:250:25",
    figures: Figures = None,
    areas: Areas = "",
    no_filter: NoFilter = False,
    split: Split = "chronological",
    train_share: TrainShare = 0.6,
    seed: Seed = 0,
    force: Force = False,
) -> None:
    """Train a decoder on a session; measure it on trials kept out, beside its controls."""
    from offline.train import train_bundle
    from rtdecode.session import QualityFilter, read_session
    from rtdecode.splits import split_kind
    from rtdecode.windows import WindowSpec

    quality = None if no_filter else QualityFilter()
    result = train_bundle(
        read_session(session, quality=quality, areas=names(areas)),
        task,
        model,
        WindowSpec.parse(window),
        out,
        split=split_kind(split),
        train_share=train_share,
        seed=seed,
        session_path=session,
        json_path=figures,
        force=force,
    )
    typer.echo(f"wrote {out}\n{result.summary()}")


def names(text: str) -> tuple[str, ...]:
    """Names with commas between them."""
    return tuple(name.strip() for name in text.split(",") if name.strip())

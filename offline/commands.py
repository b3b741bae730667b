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
Device = Annotated[str, typer.Option(help="Where torch fits: cpu or cuda.")]


def train(
    sessions: Annotated[
        list[Path],
        typer.Argument(
            metavar="SESSION...",
            help="A recorded session (NWB); several for what animals share, the last one's bundle.",
        ),
    ],
    task: TaskName,
    out: Annotated[Path, typer.Option(help="The bundle to write.")],
    model: Annotated[
        str,
        typer.Option(
            help="lda, window-lda, grey-lda, poisson, logistic, stimulus-lda, early-lda, "
            "shallow, cnn, gru, residual, ensemble, distilled; of several sessions unit-kinds, "
            "unit-set or read-in."
        ),
    ] = "lda",
    window: Window = "0:250:25",
    figures: Figures = None,
    areas: Areas = "",
    no_filter: NoFilter = False,
    split: Split = "chronological",
    train_share: TrainShare = 0.6,
    seed: Seed = 0,
    device: Device = "cpu",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a network's training that was stopped.")
    ] = False,
    force: Force = False,
) -> None:
    """Train a decoder on a session; measure it on trials kept out, beside its controls."""
    from offline.train import train_bundle
    from offline.train_shared import SHARED_MODELS, train_shared_bundle
    from rtdecode.errors import UserError
    from rtdecode.session import QualityFilter, read_session
    from rtdecode.splits import split_kind
    from rtdecode.windows import WindowSpec

    quality = None if no_filter else QualityFilter()
    if model in SHARED_MODELS:
        shared = train_shared_bundle(
            sessions,
            task,
            model,
            WindowSpec.parse(window),
            out,
            quality=quality,
            areas=names(areas),
            train_share=train_share,
            seed=seed,
            device=device,
            json_path=figures,
            force=force,
        )
        typer.echo(f"wrote {out}\n{shared.summary()}")
        return
    if len(sessions) > 1:
        raise UserError(
            f"model {model} is trained on one session, found {len(sessions)}: give one, or "
            f"--model {' or '.join(SHARED_MODELS)}"
        )
    session = sessions[0]
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
        device=device,
        resume=resume,
        force=force,
    )
    typer.echo(f"wrote {out}\n{result.summary()}")


def names(text: str) -> tuple[str, ...]:
    """Names with commas between them."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def evaluate(
    sessions: Annotated[list[Path], typer.Argument(help="Recorded sessions (NWB).")],
    task: TaskName,
    models: Annotated[str, typer.Option(help="Names with commas between, or all.")] = "all",
    window: Window = "50:250",
    split: Split = "block",
    train_share: TrainShare = 0.8,
    areas: Areas = "",
    no_filter: NoFilter = False,
    seed: Seed = 0,
    device: Device = "cpu",
    curves: Annotated[
        bool, typer.Option("--curves", help="Also accuracy by units, window and area.")
    ] = False,
    figures: Figures = None,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a page with plots there.")
    ] = None,
    force: Force = False,
) -> None:
    """Measure models on sessions under one split, each figure beside its controls."""
    from offline.evaluate import Settings, model_names, table
    from offline.evaluate import evaluate as run
    from rtdecode.splits import split_kind
    from rtdecode.windows import WindowSpec

    settings = Settings(
        task,
        WindowSpec.parse(window),
        model_names(models, task),
        split_kind(split),
        train_share,
        names(areas),
        not no_filter,
        seed,
        device,
        curves or report is not None,
    )
    records = run(sessions, settings, json_path=figures, report=report, force=force)
    typer.echo(table(records))


def reproduce(
    out: Annotated[Path, typer.Argument(help="Folder for results; a stopped run goes on there.")],
    sessions: Annotated[
        list[Path] | None, typer.Argument(help="Recorded sessions; simulated mice without.")
    ] = None,
    mice: Annotated[int, typer.Option(min=1, help="Simulated mice, if no session is given.")] = 8,
    seed: Annotated[int, typer.Option(help="Of the simulated mice.")] = 900,
    quick: Annotated[bool, typer.Option("--quick", help="Two mice and fewer models.")] = False,
    scheduler: Annotated[str, typer.Option(help="Address of a dask scheduler.")] = "",
    workers: Annotated[int, typer.Option(min=1, help="Processes of a local cluster.")] = 2,
) -> None:
    """Measure all tasks, models and splits: the whole table of results."""
    from offline import reproduce as table

    paths = list(sessions or []) or table.cohort(out / "mice", 2 if quick else mice, seed)
    typer.echo(table.reproduce(paths, out, quick=quick, scheduler=scheduler, workers=workers))


def transfer(
    bundle: Annotated[Path, typer.Argument(help="A bundle trained on another animal.")],
    session: SessionFile,
    out: Annotated[Path, typer.Option(help="The bundle to write.")],
    trials_per_class: Annotated[
        int, typer.Option(help="How many trials of each class calibrate, the first ones.")
    ] = 5,
    method: Annotated[
        str,
        typer.Option(
            help="geometry (any bundle of one animal); unit-kinds, and read-in or fine-tuning (a "
            "bundle of that model); zero-shot (a unit-set bundle, no labels). What the bundle is "
            "made for without."
        ),
    ] = "",
    unlabelled_share: Annotated[
        float, typer.Option(help="First share of the presentations that zero-shot looks at.")
    ] = 0.6,
    areas: Areas = "",
    no_filter: NoFilter = False,
    seed: Seed = 0,
    force: Force = False,
) -> None:
    """Fit other animals' decoder to this one from a few trials of each class, or from none."""
    from offline.transfer import transfer_bundle
    from rtdecode.session import QualityFilter, read_session

    quality = None if no_filter else QualityFilter()
    result = transfer_bundle(
        bundle,
        read_session(session, quality=quality, areas=names(areas)),
        trials_per_class,
        out,
        method=method,
        unlabelled_share=unlabelled_share,
        session_path=session,
        seed=seed,
        force=force,
    )
    m = result.metrics
    share = m.get("geometry_share")
    typer.echo(
        f"wrote {out}\n{result.info.task}, {result.info.split}: "
        f"{m['accuracy']:.1%} of {m['trials']:.0f} later trials (chance {m['chance']:.1%}), "
        f"calibration error {m['calibration_error']:.3f}"
        + (f", share of the donor's geometry {share:.0%}" if share is not None else "")
    )


def calibrate(
    bundle: Annotated[
        Path, typer.Argument(help="A bundle of the task, of this or another animal.")
    ],
    out: Annotated[Path, typer.Option(help="The bundle to write.")],
    trials_per_class: Annotated[
        int,
        typer.Option(
            help="How many trials of each class to wait for; Ctrl-C: no more; "
            "0: none, for a bundle of the rig's units that knows nothing yet."
        ),
    ] = 10,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Nothing of other animals: a linear model.")
    ] = False,
    swap: Annotated[
        bool, typer.Option("--swap", help="Let the running decoder go on with the new bundle.")
    ] = False,
    decoder: Annotated[
        str, typer.Option(metavar="NAME", help="With --swap: which; the only one without.")
    ] = "",
    config: Annotated[
        Path | None,
        typer.Option(metavar="RIG.toml", help="Its streams, markers and engine are taken."),
    ] = None,
    spikes: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="Spike streams; the only one without; all."),
    ] = None,
    counts: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="Streams of binned counts, beside spikes or alone."),
    ] = None,
    stimuli: Annotated[
        str | None, typer.Option(help="Name of the marker stream; the only one without.")
    ] = None,
    figures: Figures = None,
    seed: Seed = 0,
    force: Force = False,
) -> None:
    """Fit a decoder to the animal on the rig from its live streams, while they go on."""
    from offline.calibrate import CalibrationSettings, calibrate_live
    from rtdecode.live_settings import settings_of
    from rtdecode.rig_file import load_rig, stream_names

    given = {
        "streams.spikes": stream_names(spikes),
        "streams.counts": stream_names(counts),
        "streams.stimuli": stimuli,
    }
    listen = settings_of(load_rig(config, (), given))
    settings = CalibrationSettings(
        trials_per_class, from_scratch, listen, swap, decoder, seed, force
    )
    typer.echo(calibrate_live(bundle, out, settings, figures))

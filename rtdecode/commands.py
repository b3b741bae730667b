"""The sub-commands about a running decoder: start it, arm it, show its settings."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtdecode.errors import UserError

if TYPE_CHECKING:
    from rtdecode.rig import Rig

Force = Annotated[bool, typer.Option("--force", help="Write over files that exist.")]
FiguresFile = Annotated[
    Path | None,
    typer.Option("--json", metavar="FILE", help="Write the figures as JSON."),
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", metavar="RIG.toml", help="The rig's settings.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "-o", metavar="KEY=VALUE", help="A setting that goes before the file: trigger.threshold=0.9"
    ),
]
DecoderName = Annotated[
    str, typer.Option("--decoder", metavar="NAME", help="Which; the only one that runs without.")
]


def decode(
    bundle: Annotated[
        Path | None,
        typer.Argument(help="A trained decoder, as `rtdecode train` writes; or in the config."),
    ] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    session: Annotated[
        Path | None,
        typer.Option(help="Decode this recorded session on the virtual clock; live without."),
    ] = None,
    start: Annotated[
        float | None, typer.Option(help="With --session: onsets from this second on.")
    ] = None,
    stop: Annotated[
        float | None, typer.Option(help="With --session: onsets before this second.")
    ] = None,
    spikes: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...", help="Spike streams, one a probe; all; the only one without."
        ),
    ] = None,
    counts: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="Streams of binned counts, beside spikes or alone."),
    ] = None,
    stimuli: Annotated[
        str | None, typer.Option(help="Name of the marker stream; the only one without.")
    ] = None,
    lateness: Annotated[
        float | None,
        typer.Option(show_default="50", help="Milliseconds that a window waits for late spikes."),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Stop when a replay has ended.")] = False,
    windows: Annotated[int, typer.Option(min=0, help="Stop after so many; 0: never.")] = 0,
    plain: Annotated[
        bool, typer.Option("--plain", help="Pull through pylsl, not in compiled code.")
    ] = False,
    backend: Annotated[
        str | None,
        typer.Option(show_default="torchscript", help="What computes: torchscript, onnx or event."),
    ] = None,
    sliding: Annotated[
        float | None,
        typer.Option(metavar="HOP_MS", help="A window every so many milliseconds, not at markers."),
    ] = None,
    early: Annotated[
        bool,
        typer.Option("--early", help="Decide within the window, once the bundle is sure enough."),
    ] = False,
    realtime: Annotated[
        bool, typer.Option("--realtime", help="Real-time scheduling, where the system allows it.")
    ] = False,
    view: Annotated[bool, typer.Option("--view", help="Open the display too.")] = False,
    posteriors: Annotated[
        Path | None,
        typer.Option(metavar="FILE.npz", help="Write every window's counts and probabilities."),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(metavar="RUN.nwb", help="Record the run: a session that decodes the same."),
    ] = None,
    figures: FiguresFile = None,
    force: Force = False,
) -> None:
    """Decode live LSL streams, or with --session a recorded session."""
    from rtdecode.rig_file import load_rig, stream_names

    given = {
        "bundle": None if bundle is None else str(bundle),
        "streams.spikes": stream_names(spikes),
        "streams.counts": stream_names(counts),
        "streams.stimuli": stimuli,
        "engine.lateness_ms": None if lateness is None else lateness_ms(lateness),
        "engine.sliding_ms": None if sliding is None else hop_ms(sliding),
        "engine.early": True if early else None,
        "engine.backend": backend,
        "engine.compiled": False if plain else None,
        "engine.realtime": True if realtime else None,
        "display.open": True if view else None,
        "record.file": None if record is None else str(record),
    }
    rig = load_rig(config, overrides or (), given)
    with _display(rig, live=session is None):
        if rig.engine.realtime:
            _raise_priority()
        from rtdecode.live_settings import settings_of, windows_of
        from rtdecode.run import Files, print_figures, run_live, run_offline

        files = Files(figures, posteriors, force, rig.record.file if session is None else None)
        if session is None:
            found = run_live(_bundle(rig), settings_of(rig, once, windows), files)
        else:
            between = (microseconds(start), microseconds(stop))
            found = run_offline(
                _bundle(rig), session, files, *between, windows_of(rig.engine), rig.engine.backend
            )
    print_figures(found)


def config(
    path: ConfigFile = None,
    overrides: Overrides = None,
    show: Annotated[
        bool, typer.Option("--print", help="Print every setting, with its meaning, as TOML.")
    ] = False,
) -> None:
    """Check a rig's settings; with --print show those in effect."""
    from rtdecode.rig_file import as_toml, load_rig

    rig = load_rig(path, overrides or ())
    if show:
        typer.echo(as_toml(rig), nl=False)
    else:
        typer.echo(f"{path or 'the defaults'}: good")


def recover(
    journal: Annotated[
        Path, typer.Argument(help="The folder RUN.nwb.journal that a killed recorder has left.")
    ],
    force: Force = False,
) -> None:
    """Make the record of a run whose recorder did not come to do it."""
    from rtdecode.record.recover import recover_record

    typer.echo(f"recorded {recover_record(journal, force)}")


def arm(
    decoder: DecoderName = "",
    sham: Annotated[
        bool, typer.Option("--sham", help="Withhold the share of trigger.sham_share.")
    ] = False,
) -> None:
    """Let a running decoder fire its trigger; only the user who started it may."""
    _send(decoder, "sham" if sham else "arm")


def disarm(decoder: DecoderName = "") -> None:
    """Let a running decoder fire no more, at once."""
    _send(decoder, "disarm")


def dry_run(decoder: DecoderName = "") -> None:
    """Let a running decoder say when it would fire, and not fire."""
    _send(decoder, "dry-run")


def _send(decoder: str, command: str) -> None:
    from rtdecode.control import send

    typer.echo(f"trigger {send(decoder, command)['mode']}")


def _bundle(rig: Rig) -> Path:
    if rig.bundle is None:
        raise UserError(
            "expected a bundle on the command line or as bundle in the rig's settings, found "
            "none: name one, as rtdecode decode decoder.pt"
        )
    return rig.bundle


def microseconds(seconds: float | None) -> int | None:
    """Seconds of the command line as microseconds.

    Raises
    ------
    UserError
        If they are no number.
    """
    if seconds is not None and not math.isfinite(seconds):
        raise UserError(f"expected a number of seconds, found {seconds}: give one, as 12.5")
    return None if seconds is None else round(seconds * 1_000_000)


def lateness_ms(milliseconds: float) -> float:
    """The lateness of the command line, checked.

    Raises
    ------
    UserError
    """
    if not 0 <= milliseconds <= 60_000:
        raise UserError(
            "expected --lateness of 0 to 60,000 milliseconds, "
            f"found {milliseconds:g}: give one, as 50"
        )
    return milliseconds


def hop_ms(milliseconds: float) -> float:
    """The hop of sliding windows of the command line, checked.

    Raises
    ------
    UserError
    """
    hop_us = milliseconds * 1000
    if not 0 <= hop_us <= 1_000_000 or hop_us % 1:
        raise UserError(
            "expected --sliding of milliseconds, a whole number of microseconds up to a second, "
            f"found {milliseconds:g}: give one, as 10"
        )
    return milliseconds


def _raise_priority() -> None:
    """Before torch is loaded and the inlets are opened: their threads take it over."""
    from rtdecode.realtime import raise_priority

    if not raise_priority():
        typer.echo("real-time scheduling is not allowed here: going on without", err=True)


@contextmanager
def _display(rig: Rig, live: bool) -> Iterator[None]:
    """The display in a process of its own, closed with the run."""
    if not (rig.display.open and live):
        yield
        return
    options = [] if not rig.display.theme else ["--theme", rig.display.theme]
    options += [] if rig.display.images is None else ["--images", str(rig.display.images)]
    child = subprocess.Popen([sys.executable, "-m", "rtdecode.cli", "view", *options])
    try:
        yield
    finally:
        child.terminate()
        child.wait()

"""The command ``rtdecode``: one name, sub-commands, nothing heavy imported before it is used.

Every sub-command is a thin function here that calls the module which does the
work. A ``UserError`` becomes one line on standard error and exit code 2.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import commands as bench_commands
from offline import commands
from rtdecode import __version__
from rtdecode import commands as decoder_commands
from rtdecode.bridge import commands as bridge_commands
from rtdecode.commands import FiguresFile, Force, microseconds
from rtdecode.errors import UserError

app = typer.Typer(
    name="rtdecode",
    help="Decode what an animal sees from its spikes, while it sees it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


app.command()(commands.train)
app.command()(decoder_commands.decode)
app.command()(decoder_commands.arm)
app.command()(decoder_commands.disarm)
app.command("dry-run")(decoder_commands.dry_run)
app.command()(decoder_commands.config)
app.command()(decoder_commands.recover)
app.add_typer(bench_commands.app, name="bench")
app.add_typer(bridge_commands.app, name="bridge")
app.command()(commands.evaluate)
app.command()(commands.transfer)
app.command()(commands.calibrate)
app.command()(commands.reproduce)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rtdecode {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, help="Print the version."),
    ] = False,
) -> None:
    """Decode what an animal sees from its spikes, while it sees it."""


NoFilter = Annotated[
    bool, typer.Option("--no-filter", help="Keep units that fail the quality filter.")
]


@app.command()
def demo(
    session: Annotated[
        Path | None, typer.Option(help="A recorded session; a simulated one without.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for what the demo writes.")] = Path("demo"),
    task: Annotated[str | None, typer.Option(help="As for train; chosen if not given.")] = None,
    window: Annotated[
        str | None, typer.Option(metavar="START:STOP:BIN", help="Milliseconds after onset.")
    ] = None,
    model: Annotated[str, typer.Option(help="As for train.")] = "lda",
    seconds: Annotated[float, typer.Option(min=1.0, help="Longest replay.")] = 40.0,
    offscreen: Annotated[bool, typer.Option("--offscreen", help="Open no window.")] = False,
    figures: FiguresFile = None,
    force: Force = False,
) -> None:
    """Train on a session's first part, decode the rest live, and say how it went."""
    from replay.demo import DemoSettings, run_demo

    settings = DemoSettings(session, out, task, window, model, seconds, not offscreen, force)
    run_demo(settings, figures)


@app.command()
def replay(
    session: Annotated[Path, typer.Argument(help="A recorded session (NWB).")],
    speed: Annotated[float, typer.Option(min=0.01, help="Session seconds a second.")] = 1.0,
    start: Annotated[float | None, typer.Option(help="From this second of the session.")] = None,
    stop: Annotated[float | None, typer.Option(help="Up to this second of the session.")] = None,
    tables: Annotated[
        str,
        typer.Option(help="Stimulus tables to tell, with commas between; all by default."),
    ] = "",
    no_filter: NoFilter = False,
    by_probe: Annotated[
        bool, typer.Option("--by-probe", help="A spike stream for every probe.")
    ] = False,
    wait: Annotated[
        str,
        typer.Option(help="Begin with: listeners, decoder (one that is ready), nothing."),
    ] = "listeners",
) -> None:
    """Play a recorded session as live spike and marker streams on LSL."""
    from replay.player import ReplaySettings
    from replay.run import Wait, run_replay
    from rtdecode.session import QualityFilter

    settings = ReplaySettings(
        speed=speed,
        start_us=microseconds(start),
        stop_us=microseconds(stop),
        tables=tuple(name for name in tables.split(",") if name),
        by_probe=by_probe,
    )
    try:
        begin = Wait(wait)
    except ValueError:
        raise UserError(f"--wait is listeners, decoder or nothing; found {wait!r}") from None
    run_replay(session, settings, begin, None if no_filter else QualityFilter())


@app.command()
def view(
    snapshot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png", help="Save a picture at the end of the run or when stopped."
        ),
    ] = None,
    after: Annotated[
        float | None,
        typer.Option("--after-s", help="Save it this many seconds after the first spikes; stop."),
    ] = None,
    until_end: Annotated[
        bool, typer.Option("--until-end", help="Stop at the end of the run.")
    ] = False,
    offscreen: Annotated[
        bool, typer.Option("--offscreen", help="Draw without a screen; needs --snapshot.")
    ] = False,
    decoder: Annotated[
        str, typer.Option(help="Which decoder to show, as the display names it.")
    ] = "",
    theme: Annotated[str, typer.Option(help="dark or light; as last time without.")] = "",
    size: Annotated[str, typer.Option(help="Of the window, as 1200x900.")] = "",
    images: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Pictures of the stimuli, named by label.")
    ] = None,
    force: Force = False,
) -> None:
    """Show a decoder at work: its decisions, the spikes, its health."""
    from rtdecode.gui.app import ViewOptions, run_view, size_of

    options = ViewOptions(
        snapshot=snapshot,
        after_s=after,
        until_end=until_end,
        offscreen=offscreen,
        decoder=decoder,
        theme=theme,
        size=size_of(size),
        images=images,
        force=force,
    )
    raise typer.Exit(run_view(options))


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder that gets a session file for each mouse.")],
    mice: Annotated[int, typer.Option(min=1, help="How many.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same mice.")] = 0,
    profile: Annotated[
        str, typer.Option(help="brain-observatory, scenes-and-gratings or small.")
    ] = "scenes-and-gratings",
    force: Force = False,
) -> None:
    """Simulate mice and write each as a session in Allen's NWB layout."""
    from offline.simulate import simulate as simulate_mice

    for path in simulate_mice(out, mice, seed, profile, force=force, progress=True):
        typer.echo(path)


@app.command("inspect")
def inspect_session(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="SESSION...", help="NWB file or Phy folder; one a probe."),
    ],
    events: Annotated[
        Path | None, typer.Option(help="CSV table of events: onset, label, duration.")
    ] = None,
    no_filter: NoFilter = False,
    figures: FiguresFile = None,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a page with plots.")
    ] = None,
    force: Force = False,
) -> None:
    """Show what a session holds: areas, units, rates, stimuli, blocks, gaps."""
    from rtdecode.session import QualityFilter
    from rtdecode.session.inspect import run_inspect

    quality = QualityFilter.off() if no_filter else QualityFilter()
    run_inspect(sources, quality, events=events, figures=figures, report=report, force=force)


@app.command()
def convert(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="SOURCE...", help="NWB files and Phy folders; one a probe."),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The NWB file to write.")],
    events: Annotated[
        Path | None, typer.Option(help="CSV table of events: onset, label, duration.")
    ] = None,
    force: Force = False,
) -> None:
    """Write a session as NWB, with every unit; several probes become one session."""
    from rtdecode.session.inspect import run_convert

    run_convert(sources, out, events=events, force=force)


@app.command()
def fetch(
    ids: Annotated[
        list[int] | None, typer.Argument(metavar="[ID]...", help="Session ids, as --list tells.")
    ] = None,
    show_list: Annotated[bool, typer.Option("--list", help="List the sessions there are.")] = False,
    all_of: Annotated[
        str,
        typer.Option("--all", metavar="TYPE", help="Fetch all of a type: brain_observatory_1.1."),
    ] = "",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder that gets them.")] = Path(
        "allen"
    ),
) -> None:
    """Fetch recorded sessions from the Allen Institute (1.7 to 3.3 GB each)."""
    from offline.fetch import run_fetch

    run_fetch(ids or [], out, show_list=show_list, all_of=all_of)


@app.command()
def doctor(figures: FiguresFile = None, force: Force = False) -> None:
    """Say what this machine lacks and the line that mends it; exit code 1 if it cannot decode."""
    from rtdecode.doctor import run_doctor

    raise typer.Exit(0 if run_doctor(figures, force) else 1)


def main() -> None:
    """Run the command line; a user's error is one line and exit code 2."""
    try:
        app()
    except UserError as error:
        print(f"rtdecode: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except SystemExit as ended:
        # Typer makes an exit code of Ctrl-C, and says nothing.
        if isinstance(getattr(ended.__context__, "__cause__", None), KeyboardInterrupt):
            print("rtdecode: stopped", file=sys.stderr)
        raise


if __name__ == "__main__":
    main()

"""The sub-commands ``rtdecode bridge``: what an acquisition system sends, as live streams."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from rtdecode.errors import UserError

app = typer.Typer(
    help="Bring the spikes of an acquisition system to the wire.", no_args_is_help=True
)


@app.callback()
def _root() -> None:
    """Bring the spikes of an acquisition system to the wire."""


@app.command("open-ephys")
def open_ephys(
    host: Annotated[str, typer.Option(help="Where Open Ephys GUI runs.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of its Event Broadcaster.")] = 5557,
    units: Annotated[
        Path | None,
        typer.Option(metavar="FILE.json", help="Table of unit ids: read, and added to."),
    ] = None,
    first_id: Annotated[
        int,
        typer.Option(
            min=1, max=2**30, help="New units are numbered from here: two bridges' ids must differ."
        ),
    ] = 1,
    unsorted: Annotated[
        bool, typer.Option("--unsorted", help="Unsorted spikes too, a unit an electrode.")
    ] = False,
    stream: Annotated[str, typer.Option(help="The GUI's stream to take; all without.")] = "",
    ttl_line: Annotated[
        int | None, typer.Option(min=0, help="Its rising edges are stimulus onsets.")
    ] = None,
    ttl_stream: Annotated[str, typer.Option(help="The GUI's stream that has the line.")] = "",
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Labels of the onsets, one a line.")
    ] = None,
    labels_from: Annotated[
        str, typer.Option(metavar="NAME", help="A marker stream that names the onsets.")
    ] = "",
    offset: Annotated[
        float,
        typer.Option("--offset-ms", help="Smallest delay of a message, from a loop-back."),
    ] = 0.0,
    lag: Annotated[
        float,
        typer.Option("--lag-ms", min=0, help="How late a spike may come; 0: as measured."),
    ] = 0.0,
    silent: Annotated[
        float,
        typer.Option("--silent-ms", min=50, help="Without spikes for this long, time stands."),
    ] = 1000.0,
    spikes: Annotated[str, typer.Option(help="Name of the spike stream that is sent.")] = "",
    stimuli: Annotated[str, typer.Option(help="Name of the marker stream that is sent.")] = "",
    figures: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures as JSON.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over files that exist.")] = False,
) -> None:
    """Open Ephys GUI's Event Broadcaster (format JSON) as spike and marker streams."""
    for package in ("zmq", "msgspec"):
        if find_spec(package) is None:
            raise UserError(f"the bridge expects {package}: pip install 'rtdecode[bridge]'")
    if labels is not None and labels_from:
        raise UserError("expected --labels or --labels-from, found both: leave one out")
    if ttl_line is None and (labels is not None or labels_from):
        raise UserError("expected --ttl-line with labels, found none: name the onsets' line")
    from rtdecode import streams as wire
    from rtdecode.bridge.core import BridgeSettings
    from rtdecode.bridge.run import Endpoints, run_bridge

    settings = BridgeSettings(
        stream=stream,
        ttl_line=ttl_line,
        ttl_stream=ttl_stream,
        unsorted=unsorted,
        offset_us=round(offset * 1000),
        lag_us=round(lag * 1000),
        silent_us=round(silent * 1000),
    )
    endpoints = Endpoints(
        f"tcp://{host}:{port}",
        units,
        labels,
        labels_from,
        spikes or wire.SPIKES,
        stimuli or wire.STIMULI,
        first_id,
    )
    run_bridge(endpoints, settings, figures, force)

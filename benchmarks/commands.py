"""The sub-commands ``rtdecode bench ...``; a benchmark is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Measure: speed beside the floor, the peers and the libraries.")

JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the figures as JSON.")
]
Backend = Annotated[str, typer.Option(help="As for decode: torchscript, onnx or event.")]
SWITCH = {"off": (False,), "on": (True,)}  # anything else: both
Force = Annotated[bool, typer.Option("--force", help="Write over files that exist.")]


@app.command()
def display(
    seconds: Annotated[float, typer.Option(min=10.0, help="Stream time to draw.")] = 60.0,
    figures: JsonFile = None,
    force: Force = False,
) -> None:
    """Draw the display without a screen, beside the naive way to draw the same."""
    from benchmarks.display import bench_display

    bench_display(seconds, figures, force)


@app.command()
def latency(
    seconds: Annotated[float, typer.Option(min=5.0, help="Of each row.")] = 60.0,
    loads: Annotated[
        str, typer.Option(help="Spikes a second, with commas between.")
    ] = "5000,20000,100000",
    display: Annotated[str, typer.Option(help="off, on or both.")] = "both",
    backends: Annotated[
        str, typer.Option(help="Backends of the decoder, with commas between.")
    ] = "torchscript",
    realtime: Annotated[
        bool, typer.Option("--realtime", help="Real-time scheduling for decoder and echo.")
    ] = False,
    record: Annotated[str, typer.Option(help="The run is recorded: off, on or both.")] = "off",
    bins: Annotated[int, typer.Option(help="Of the window of 250 ms.")] = 10,
    figures: JsonFile = None,
    force: Force = False,
) -> None:
    """Last spike of a window pushed to posterior received, beside the floor in the same run."""
    from benchmarks.latency import LatencySettings, bench_latency

    settings = LatencySettings(
        seconds,
        tuple(int(load) for load in loads.split(",")),
        SWITCH.get(display, (False, True)),
        tuple(backends.split(",")),
        realtime,
        SWITCH.get(record, (False, True)),
        bins,
    )
    bench_latency(settings, figures, force)


@app.command()
def kernels(
    seconds: Annotated[float, typer.Option(min=0.1, help="Of measuring, in all.")] = 30.0,
    figures: JsonFile = None,
    force: Force = False,
) -> None:
    """Bin a window, beside NumPy, elephant and pynapple on the same spikes."""
    from benchmarks.kernels import bench_kernels

    bench_kernels(seconds, figures, force)


@app.command()
def replay(
    seconds: Annotated[float, typer.Option(min=10.0, help="Length of the session.")] = 9_700.0,
    backend: Backend = "torchscript",
    figures: JsonFile = None,
    force: Force = False,
) -> None:
    """Decode a full-size session on the virtual clock, and a slice of it live as well."""
    from benchmarks.replay import bench_replay

    bench_replay(seconds, backend, figures, force)


@app.command()
def sustained(
    seconds: Annotated[float, typer.Option(min=3.0, help="At the load to be carried.")] = 60.0,
    spikes: Annotated[int, typer.Option(min=1000, help="Spikes a second.")] = 1_000_000,
    backend: Backend = "torchscript",
    figures: JsonFile = None,
    force: Force = False,
) -> None:
    """Carry a million spikes a second; then more than that, and say so."""
    from benchmarks.sustained import bench_sustained

    bench_sustained(seconds, spikes, backend, figures, force)


@app.command()
def sliding(
    seconds: Annotated[float, typer.Option(min=3.0, max=90.0, help="Of each row.")] = 60.0,
    spikes: Annotated[int, typer.Option(min=1000, help="Spikes a second.")] = 20_000,
    backends: Annotated[
        str, typer.Option(help="Backends of the decoder, with commas between.")
    ] = "torchscript",
    figures: JsonFile = None,
    force: Force = False,
) -> None:
    """Decide every 10 ms: whether each window is decided, with every spike that was sent."""
    from benchmarks.sliding import bench_sliding

    bench_sliding(seconds, spikes, tuple(backends.split(",")), figures, force)


@app.command()
def soak(
    seconds: Annotated[float, typer.Option(min=12.0, help="How long; an hour by default.")] = 3600,
    spikes: Annotated[int, typer.Option(min=1000, help="Spikes a second.")] = 20_000,
    backend: Backend = "torchscript",
    realtime: Annotated[
        bool, typer.Option("--realtime", help="Real-time scheduling for the decoder.")
    ] = False,
    display: Annotated[
        bool, typer.Option("--display", help="A display draws the same streams, offscreen.")
    ] = False,
    figures: JsonFile = None,
    force: Force = False,
) -> None:
    """Run for an hour: the last ten minutes beside the first, and memory."""
    from benchmarks.soak import SoakSettings, bench_soak

    bench_soak(SoakSettings(seconds, spikes, backend, realtime, display), figures, force)


@app.command()
def peers(
    seconds: Annotated[float, typer.Option(min=10.0, help="Of measuring, all together.")] = 180.0,
    spikes: Annotated[int, typer.Option(min=1000, help="Spikes a second.")] = 20_000,
    rounds: Annotated[int, typer.Option(min=1, help="Turns that each takes.")] = 3,
    no_ezmsg: Annotated[
        bool, typer.Option("--no-ezmsg", help="Without ezmsg, which has an environment of its own.")
    ] = False,
    figures: JsonFile = None,
    force: Force = False,
) -> None:
    """Decode the same spikes with ezmsg and with the script a lab would write."""
    from benchmarks.peers import bench_peers

    bench_peers(seconds, rounds, spikes, not no_ezmsg, figures, force)


@app.command(hidden=True)
def page(
    folder: Annotated[Path, typer.Argument(help="Has latency.json, kernels.json and so on.")],
) -> None:
    """Write the benchmarks' figures into docs/performance.md."""
    from benchmarks.page import bench_page

    bench_page(folder)


@app.command("session-load")
def session_load(
    repeats: Annotated[int, typer.Option(min=1, help="Loads of each reader.")] = 3,
    figures: JsonFile = None,
    force: Force = False,
) -> None:
    """Load a session of 10 million spikes, beside AllenSDK's EcephysSession."""
    from benchmarks.session_load import bench_session_load

    bench_session_load(repeats, figures, force)


@app.command("record-file")
def record_file(
    rows: Annotated[str, typer.Option(help="Of the journals, with commas between.")] = (
        "2000000,20000000"
    ),
    figures: JsonFile = None,
    force: Force = False,
) -> None:
    """Make the files of records, short and long: time and memory."""
    from benchmarks.record_file import bench_record_file

    bench_record_file(tuple(int(n) for n in rows.split(",")), figures, force)


@app.command(hidden=True)
def echo(
    realtime: Annotated[bool, typer.Option("--realtime", help="Real-time scheduling.")] = False,
) -> None:
    """Run the process that the latency benchmark's floor is measured with."""
    from benchmarks.latency import run_echo

    run_echo(realtime)

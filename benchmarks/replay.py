"""A full-size session on the virtual clock, and a slice of it through the live path."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from benchmarks.loopback import own_loopback
from benchmarks.machine import (
    check_json,
    describe_machine,
    print_heading,
    print_rows,
    progress_console,
    write_json,
)
from benchmarks.random_bundle import CLASSES, write_random_bundle
from replay.processes import Processes
from rtdecode.backends import follow, load_decoder
from rtdecode.decoder import Decoder
from rtdecode.engine import EngineSettings
from rtdecode.kernels.ingest import DUPLICATE, ON_TIME
from rtdecode.microseconds import US_PER_S
from rtdecode.posteriors import PosteriorLog
from rtdecode.realtime import settle
from rtdecode.session.model import Presentations, Session, Units
from rtdecode.session.write import write_session
from rtdecode.virtual import decode_task, new_engine, presentations_between

FULL_S, UNITS, SPIKES_PER_S, ONSET_EVERY_US = 9_700.0, 680, 4_640, 808_000
SLICE_S, SLICE_SPEED = 20.0, 2.0
COLUMNS = ("spikes", "windows", "load_s", "decode_s", "x_real_time", "equal_to_live")
COMPARED = ("onset_us", "counts", "probabilities", "label")


@dataclass(frozen=True)
class Decoded:
    """A run over a session.

    Attributes
    ----------
    load_s, decode_s : float
        To bring the spikes into order of time; to decode.
    windows, spikes : int
    """

    load_s: float
    decode_s: float
    windows: int
    spikes: int


def new_session(seconds: float, seed: int = 0) -> Session:
    """Poisson spikes of units whose rates differ, and onsets at random about a grid."""
    rng = np.random.default_rng(seed)
    stop_us = round(seconds * US_PER_S)
    rates = rng.lognormal(0.0, 1.0, UNITS)
    sizes = rng.poisson(SPIKES_PER_S * seconds * rates / rates.sum())
    times_us = [np.sort(rng.integers(0, stop_us, n)) for n in sizes.tolist()]
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    units = Units(
        np.arange(UNITS), np.full(UNITS, "VISp"), np.zeros(UNITS), np.full(UNITS, "probe")
    )
    table = _presentations(rng, stop_us)
    return Session("full-size", units, np.concatenate(times_us), offsets, {"bench": table})


def _presentations(rng: np.random.Generator, stop_us: int) -> Presentations:
    onsets_us = np.arange(US_PER_S, stop_us - US_PER_S, ONSET_EVERY_US)
    onsets_us = onsets_us + rng.integers(0, ONSET_EVERY_US // 2, len(onsets_us))
    labels = rng.integers(0, CLASSES, len(onsets_us)).astype(np.float64)
    return Presentations("bench", onsets_us, onsets_us + 250_000, {"class": labels})


def decode_whole(decoder: Decoder, session: Session) -> Decoded:
    """Decode every window of a session as fast as it goes."""
    started = time.perf_counter()
    spikes = session.in_time_order()
    ordered = time.perf_counter()
    task = presentations_between(decoder, session, None, None)
    engine = new_engine(decoder, EngineSettings())
    follow(decoder, engine)
    decisions = decode_task(engine, session, task, spikes)
    shown = track(decisions, "decoding", len(task), console=progress_console, transient=True)
    windows = sum(decision.complete for decision in shown)
    decoded = time.perf_counter()
    # The same unit twice in one microsecond is one spike to the engine.
    taken = int(engine.intake.tally[[ON_TIME, DUPLICATE]].sum())
    return Decoded(ordered - started, decoded - ordered, windows, taken)


def slice_of(session: Session, seconds: float) -> Session:
    """The first seconds of a session."""
    stop_us = round(seconds * US_PER_S)
    units = [session.spikes_of(row) for row in range(len(session.units))]
    kept = [times_us[times_us < stop_us] for times_us in units]
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum([len(times) for times in kept])])
    table = session.presentations["bench"]
    table = table.take(table.start_us < stop_us - US_PER_S)
    times_us = np.concatenate(kept)
    return replace(
        session, spike_times_us=times_us, spike_offsets=offsets, presentations={"bench": table}
    )


def posteriors_offline(decoder: Decoder, session: Session) -> dict[str, NDArray[np.generic]]:
    """What the virtual clock gives, as a posterior file holds it."""
    log = PosteriorLog(decoder.info.classes, np.array(decoder.info.unit_ids))
    engine = new_engine(decoder)
    for decision in decode_task(
        engine, session, presentations_between(decoder, session, None, None)
    ):
        log.add(decision)
    return log.arrays()


def posteriors_live(
    bundle: Path, session: Session, backend: str, folder: Path
) -> dict[str, NDArray[np.generic]]:
    """The same rows replayed over LSL into a decoder process: its posterior file."""
    recording, found = folder / "slice.nwb", folder / "live.npz"
    write_session(session, recording)
    with own_loopback(), Processes(progress_console) as processes:
        options = ["--backend", backend, "--once", "--lateness", "2000", "--posteriors", found]
        processes.start("decoder", ["decode", bundle, *options], log=folder / "decoder.log")
        play = ["replay", recording, "--wait", "decoder", "--no-filter", "--speed", SLICE_SPEED]
        processes.start("replay", play, log=folder / "replay.log")
        processes.wait(120.0 + SLICE_S)
    with np.load(found, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def equal_to_live(decoder: Decoder, bundle: Path, session: Session, backend: str) -> bool:
    """Whether a slice's windows, counts and probabilities are the same live, bit for bit."""
    with tempfile.TemporaryDirectory(prefix="rtdecode-bench-") as folder:
        live = posteriors_live(bundle, session, backend, Path(folder))
    offline = posteriors_offline(decoder, session)
    return all(np.array_equal(live[name], offline[name]) for name in COMPARED)


def bench_replay(seconds: float, backend: str, figures: Path | None, force: bool) -> None:
    """Measure, print and write.

    Raises
    ------
    UserError
        If a process fails or the file exists.
    """
    check_json(figures, force)
    machine = describe_machine()
    with tempfile.TemporaryDirectory(prefix="rtdecode-bench-") as folder:
        bundle = Path(folder, "decoder.pt")
        write_random_bundle(bundle, UNITS)
        decoder = load_decoder(bundle, backend)
        session = new_session(seconds)
        settle()
        decoder.warm_up()
        small = slice_of(session, min(SLICE_S, seconds))
        equal = equal_to_live(decoder, bundle, small, backend)
        done = decode_whole(decoder, session)
    row: dict[str, object] = {
        "spikes": done.spikes,
        "windows": done.windows,
        "load_s": done.load_s,
        "decode_s": done.decode_s,
        "x_real_time": round(seconds / done.decode_s, 1),
        "equal_to_live": equal,
    }
    conditions = {"session_s": seconds, "units": UNITS, "backend": backend, "slice_s": SLICE_S}
    print_heading("a session on the virtual clock", machine, **conditions)
    print_rows([row], COLUMNS)
    write_json(figures, {"machine": machine, **conditions, **row}, force)

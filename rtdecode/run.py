"""A decoding run as the command line asks for it: live, or over a recorded session."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from rtdecode.backends import TORCHSCRIPT, follow, load_decoder
from rtdecode.decision import Decision
from rtdecode.decoder import Decoder
from rtdecode.early import DecisionTimes
from rtdecode.engine import Engine, EngineSettings
from rtdecode.errors import UserError
from rtdecode.files import check_writable
from rtdecode.health import Health, State
from rtdecode.latency import LatencyLog
from rtdecode.live import LiveDecoder
from rtdecode.live_settings import LiveSettings
from rtdecode.microseconds import US_PER_S
from rtdecode.posteriors import PosteriorLog
from rtdecode.record.about import about_run
from rtdecode.record.again import open_again
from rtdecode.record.recording import Recording, check_record
from rtdecode.record.share import share_bar
from rtdecode.session import read_session
from rtdecode.session.model import Session
from rtdecode.session.quality import QualityFilter
from rtdecode.tasks import Task
from rtdecode.trigger import Mode
from rtdecode.virtual import (
    decode_sliding,
    decode_task,
    new_engine,
    presentations_between,
    stretch,
)
from rtdecode.warm_up import warm_up

console = Console(stderr=True, emoji=False)


@dataclass(frozen=True)
class Files:
    """Where a run's figures, posteriors and record go; None for nowhere."""

    figures: Path | None = None
    posteriors: Path | None = None
    force: bool = False
    record: Path | None = None

    def check(self) -> None:
        """Refuse files that exist, before any work is done.

        Raises
        ------
        UserError
        """
        for path in (self.figures, self.posteriors):
            if path is not None:
                check_writable(path, self.force)
        if self.record is not None:
            check_record(self.record, self.force)

    def write(self, figures: Mapping[str, object], log: PosteriorLog) -> None:
        """Write what was asked for."""
        if self.figures is not None:
            self.figures.write_text(json.dumps(figures, indent=1) + "\n")
        if self.posteriors is not None:
            log.save(self.posteriors, self.force)


def run_live(bundle: Path, settings: LiveSettings, files: Files) -> dict[str, object]:
    """Decode live streams until stopped; the figures of the run.

    Raises
    ------
    UserError
        If the bundle or the streams are not what they should be, or a file exists.
    """
    files.check()
    with console.status("getting ready (the first start on a machine compiles: some 20 s)"):
        decoder = load_decoder(bundle, settings.backend)
        warm_up(decoder, settings)
    live = LiveDecoder(decoder, settings, _tell_state, _tell_mode, _tell_news)
    live.log.keep = files.posteriors is not None
    with _recorded(live, files):
        live.run()
    figures = _figures(live.log, live.engine.totals, live.health.latency, live.health.windows)
    figures |= {"windows_incomplete": live.health.incomplete, "markers": live.health.markers}
    figures |= {"windows_skipped": live.engine.skipped, "windows_faulted": live.health.faulted}
    figures |= {"trigger": live.firing.told(), "decided": live.times.told()}
    files.write(figures, live.log)
    return figures


@contextmanager
def _recorded(live: LiveDecoder, files: Files) -> Iterator[None]:
    """Record what happens inside, if that is asked for; not what was refused before it began."""
    if files.record is None:
        yield
        return
    about = about_run(live.decoder, live.settings)
    live.recording = Recording(files.record, about, files.force)
    begun = True
    try:
        yield
    except UserError:
        begun = live.health.state is not State.WAITING
        raise
    finally:
        if begun:
            _finish(live.recording)
        else:
            live.recording.drop()


def _finish(recording: Recording) -> None:
    """Wait until the record's file is whole, and say so."""
    with share_bar("finishing the record", console) as show:
        said = recording.finish(show)
    console.print(said, highlight=False)


def run_offline(
    bundle: Path,
    path: Path,
    files: Files,
    start_us: int | None = None,
    stop_us: int | None = None,
    how: EngineSettings | None = None,
    backend: str = TORCHSCRIPT,
) -> dict[str, object]:
    """Decode a recorded session on the virtual clock; the figures of the run.

    With a hop in ``how``, windows slide over the session; else they lie at its presentations.
    The record of a run of this bundle is decoded as it was then, row by row and window by
    window.

    Raises
    ------
    UserError
        If the bundle or session is not what it should be, or a file exists.
    """
    files.check()
    decoder = load_decoder(bundle, backend)
    how = how or EngineSettings()
    again = open_again(decoder, path, how)
    if again is not None:
        engine, n = again.engine, len(again.record.decisions)
        follow(decoder, engine)
        decisions = again.decisions(start_us, stop_us)
    else:
        session = units_of_bundle(decoder, read_session(path, quality=QualityFilter.off()))
        engine = new_engine(decoder, how)
        follow(decoder, engine)
        n, decisions = _decisions(decoder, engine, session, start_us, stop_us)
    log = PosteriorLog(decoder.info.classes, np.array(decoder.info.unit_ids))
    log.keep = files.posteriors is not None
    latency, times = LatencyLog(), DecisionTimes(engine.spec)
    windows = incomplete = 0
    for decision in track(decisions, "decoding", n, console=console, transient=True):
        log.add(decision)
        windows += 1
        incomplete += not decision.complete
        latency.add({"bin": decision.bin_ns / 1e6, "infer": decision.infer_ns / 1e6})
        if engine.rule is not None:
            times.add(decision.window.end_us - decision.window.onset_us)
    figures = _figures(log, engine.totals, latency, windows)
    figures |= {"windows_incomplete": incomplete, "windows_skipped": engine.skipped}
    figures["decided"] = times.told()
    if again is not None:
        figures["as_recorded"] = again.comparison.told()
    files.write(figures, log)
    return figures


def _decisions(
    decoder: Decoder, engine: Engine, session: Session, start_us: int | None, stop_us: int | None
) -> tuple[int, Iterator[Decision]]:
    """How many windows there are, about, and what is decided of them."""
    if not (hop_us := engine.settings.hop_us):
        task = presentations_between(decoder, session, start_us, stop_us)
        _tell_trained(decoder, session, task)
        return len(task), decode_task(engine, session, task)
    start_us, stop_us = stretch(session, start_us, stop_us)
    n = max(0, stop_us - start_us - engine.spec.duration_us) // hop_us
    return n, decode_sliding(engine, session, start_us, stop_us)


def _tell_trained(decoder: Decoder, session: Session, task: Task) -> None:
    """Say which windows the bundle may know from its training."""
    last_us = decoder.info.last_training_onset_us(session.name)
    if last_us is None or not (known := int((task.onsets_us <= last_us).sum())):
        return
    console.print(
        f"{known} of {len(task)} windows begin no later than the last trial that trained this "
        f"bundle, and may flatter its accuracy: --start {(last_us + 1) / US_PER_S:.6f} leaves "
        "them out",
        highlight=False,
        soft_wrap=True,
    )


def units_of_bundle(decoder: Decoder, session: Session) -> Session:
    """The session with the bundle's units alone, in the bundle's order.

    Raises
    ------
    UserError
        If the session lacks one of them.
    """
    decoder.check_units(session.units.ids)
    row_of = {int(unit_id): row for row, unit_id in enumerate(session.units.ids)}
    return session.take_units(np.array([row_of[i] for i in decoder.info.unit_ids], np.int64))


def _figures(
    log: PosteriorLog, totals: Mapping[str, int], latency: LatencyLog, windows: int
) -> dict[str, object]:
    return {
        "windows": windows,
        "labelled": log.score.labelled(),
        "accuracy": log.score.accuracy(),
        "chance": log.score.chance(),
        "spikes": dict(totals),
        "latency_ms": latency.summary(),
    }


def _tell_state(health: Health) -> None:
    said = health.message or health.notice
    message = f": {said}" if said else ""
    console.print(f"{health.state.value.lower()}{message}", highlight=False)


def _tell_news(news: str) -> None:
    console.print(news, highlight=False)


def _tell_mode(mode: Mode, why: str) -> None:
    console.print(f"trigger {mode.value}: {why}", highlight=False)


def print_figures(figures: Mapping[str, object]) -> None:
    """The figures of a run as a short table on standard output."""
    table = Table(show_header=False, box=None)
    names = ("windows", "windows_incomplete", "windows_skipped", "labelled", "accuracy", "chance")
    for name in names:
        table.add_row(name.replace("_", " "), _text(figures.get(name)))
    for group in ("decided", "spikes", "latency_ms", "as_recorded"):
        values = figures.get(group, {})
        assert isinstance(values, dict)
        for name, value in values.items():
            table.add_row(f"{group.removesuffix('_ms').replace('_', ' ')} {name}", _text(value))
    Console(emoji=False).print(table)


def _text(value: object) -> str:
    if isinstance(value, dict):
        return "  ".join(f"{name} {number:.3f}" for name, number in value.items()) + "  ms"
    if isinstance(value, float):
        return f"{value:.3f}"
    return "none" if value is None else f"{value:,}"

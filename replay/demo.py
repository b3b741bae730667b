"""The demo: a recorded session becomes live class probabilities.

Trains a decoder on the first part of a session, plays the rest as live streams
in one process, decodes it in a second, shows it in a third, decodes the same
stretch offline, and says how it went.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from replay.stretch import choose_stretch, choose_window, resolve
from replay.summary import Comparison, print_summary
from rtdecode.errors import UserError
from rtdecode.files import check_writable, made_folder
from rtdecode.microseconds import US_PER_S
from rtdecode.session import QualityFilter, Session, read_session
from rtdecode.tasks import Task
from rtdecode.windows import WindowSpec

console = Console(stderr=True, emoji=False)
PATIENCE_S = 120.0  # beyond the replay's own length: start-up and compilation
MAKE_ROOM = "give another --out, or --force to write over it"


@dataclass(frozen=True)
class DemoSettings:
    """What the demo shows and where its files go.

    Attributes
    ----------
    session : Path or None
        A recorded session; a simulated one without.
    out : Path
        Folder for the bundle, figures, posteriors and the picture.
    task, window : str or None
        Chosen from the session if not given.
    model : str
    seconds : float
        Longest replay.
    show : bool
        Open the display on the screen; without a screen it is drawn offscreen.
    force : bool
        Write over files that are there.
    """

    session: Path | None
    out: Path
    task: str | None = None
    window: str | None = None
    model: str = "lda"
    seconds: float = 40.0
    show: bool = True
    force: bool = False

    def file(self, name: str) -> Path:
        """A file in the demo's folder."""
        return self.out / name


def run_demo(settings: DemoSettings, figures_file: Path | None = None) -> dict[str, object]:
    """Run the demo; its figures.

    Raises
    ------
    UserError
        If the session cannot be decoded, or one of the processes fails.
    """
    _check_out(settings, figures_file)
    path = settings.session or _simulated(settings.out)
    session = read_session(path, quality=QualityFilter())
    task = resolve(session, settings.task)
    window = WindowSpec.parse(settings.window) if settings.window else choose_window(session, task)
    last_us, trained = _train(settings, path, session, task, window)
    start_us, stop_us = choose_stretch(task, last_us, round(settings.seconds * US_PER_S))
    _go_live(settings, path, start_us, stop_us)
    _decode_offline(settings, path, start_us, stop_us)
    comparison = Comparison.read(settings.out)
    figures = comparison.figures() | {
        "session": session.name,
        "simulated": session.simulated,
        "task": task.name,
        "window": str(window),
        "trained": trained,
    }
    text = json.dumps(figures, indent=1) + "\n"
    settings.file("figures.json").write_text(text)
    if figures_file is not None:
        figures_file.write_text(text)
    print_summary(figures, settings.file("display.png"))
    return figures


def _check_out(settings: DemoSettings, figures_file: Path | None) -> None:
    """Refuse to write over what another run, or the user, has left; then make room."""
    if figures_file is not None:
        check_writable(figures_file, settings.force)
    made_folder(settings.out)
    names = ("decoder.pt", "live.json", "live.npz", "offline.json", "offline.npz", "display.png")
    for name in names:
        path = settings.file(name)
        if not path.exists():
            continue
        if not settings.force:
            raise UserError(f"{path} exists: {MAKE_ROOM}")
        path.unlink()


def _simulated(out: Path) -> Path:
    """A simulated session in the demo's folder; the one of a demo before is used again."""
    from offline.simulate import session_path, simulate

    path = session_path(out, "small", 0, 0)
    if not path.exists():
        console.print("no session given: simulating a small one")
        simulate(out, 1, 0, "small")
    return path


def _train(
    settings: DemoSettings, path: Path, session: Session, task: Task, window: WindowSpec
) -> tuple[int, dict[str, float]]:
    """Fit on the first part; onset of the last training trial, and the figures kept out."""
    from offline.train import train_bundle

    origin = "simulated" if session.simulated else "recorded"
    console.print(
        f"{origin} session {session.name}: {len(session.units)} units; training {settings.model} "
        f"for {task.name}, window {window}",
        highlight=False,
    )
    result = train_bundle(
        session,
        task.name,
        settings.model,
        window,
        settings.file("decoder.pt"),
        session_path=path,
        force=settings.force,
    )
    return result.info.sessions[0].last_training_onset_us, result.metrics


def _go_live(settings: DemoSettings, path: Path, start_us: int, stop_us: int) -> None:
    """Source, decoder and display, each in a process of its own, until the replay ends."""
    from replay.processes import Processes

    live, posteriors = settings.file("live.json"), settings.file("live.npz")
    stretch = [f"--start={start_us / US_PER_S!r}", f"--stop={stop_us / US_PER_S!r}"]
    decode = ["decode", settings.file("decoder.pt"), "--once"]
    with Processes(console) as processes:
        processes.start(
            "decoder",
            [*decode, "--json", live, "--posteriors", posteriors, *_force(settings)],
            log=settings.file("decoder.log"),
        )
        processes.start("display", _view(settings), needed=False, log=settings.file("display.log"))
        processes.start("source", ["replay", path, *stretch, "--wait", "decoder"])
        processes.wait(PATIENCE_S + settings.seconds)


def _view(settings: DemoSettings) -> list[object]:
    has_screen = sys.platform in ("win32", "darwin") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    hidden = [] if settings.show and has_screen else ["--offscreen"]
    return ["view", "--snapshot", settings.file("display.png"), "--until-end", *hidden]


def _decode_offline(settings: DemoSettings, path: Path, start_us: int, stop_us: int) -> None:
    """The same stretch through the same engine on the virtual clock."""
    from rtdecode.run import Files, run_offline

    files = Files(settings.file("offline.json"), settings.file("offline.npz"), settings.force)
    run_offline(settings.file("decoder.pt"), path, files, start_us, stop_us)


def _force(settings: DemoSettings) -> list[str]:
    return ["--force"] if settings.force else []

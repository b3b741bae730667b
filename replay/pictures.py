"""The README's pictures of the display, drawn from sessions replayed through the live decoder.

``python -m replay.pictures`` trains on the first part of a session, plays on from there
as live streams, decodes, and lets two displays, a dark and a light one, save what they show:
once with a few classes, once with the 119 of the natural scenes.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from matplotlib.image import imsave
from rich.console import Console

from offline.simulate import session_path, simulate
from offline.simulate.images import natural_scenes
from offline.train import train_bundle
from replay.processes import Processes
from replay.stretch import choose_stretch, choose_window, resolve
from rtdecode import control
from rtdecode.errors import UserError
from rtdecode.microseconds import US_PER_S
from rtdecode.session import QualityFilter, read_session
from rtdecode.windows import WindowSpec

REPO = Path(__file__).resolve().parents[1]
IMAGES = REPO / "docs" / "images"
SECONDS, BEFORE_END_S, PATIENCE_S = 70.0, 3.0, 120.0
SIZE, DECODER = "1200x900", "pictures"

console = Console(stderr=True, emoji=False)


@dataclass(frozen=True)
class Scene:
    """What a pair of pictures shows.

    Attributes
    ----------
    name : str
        Of the files: ``display-NAME-dark.png`` and ``display-NAME-light.png``.
    session : Path
    task : str or None
    images : Path or None
        Folder with pictures of the stimuli.
    fires_at : str
        A class for a trigger's dry run; without one no trigger is set up.
    """

    name: str
    session: Path
    task: str | None
    images: Path | None = None
    fires_at: str = ""

    @property
    def options(self) -> list[str]:
        """What the decoder is started with for it."""
        if not self.fires_at:
            return []
        classes = json.dumps([self.fires_at])
        said = (f"name={DECODER}", f"trigger.classes={classes}", "trigger.calibration_error=1")
        return [word for setting in said for word in ("-o", setting)]


def gratings_session(folder: Path) -> Scene:
    """The recorded gratings where they are at hand; else simulated ones."""
    shared = Path(os.environ.get("RTDECODE_SHARED", REPO.parent / "shared"))
    recorded = shared / "data" / "allen_drifting_gratings.nwb"
    if recorded.is_file():
        return Scene("gratings", recorded, None, fires_at="90")
    simulated = _simulated(folder, "small")
    return Scene("gratings", simulated, "static-gratings-orientation", fires_at="90")


def scenes_session(folder: Path) -> Scene:
    """A simulated mouse that saw the natural scenes, and the scenes."""
    images = folder / "scenes"
    images.mkdir(exist_ok=True)
    scenes = natural_scenes()
    for frame, scene in {-1: 0 * scenes[0], **dict(enumerate(scenes))}.items():
        imsave(images / f"{frame}.png", scene, cmap="gray", vmin=-1, vmax=1)
    session = _simulated(folder, "scenes-and-gratings")
    return Scene("scenes", session, "natural-scenes", images)


def _simulated(folder: Path, profile: str) -> Path:
    path = session_path(folder, profile, 0, 0)
    if not path.exists():
        simulate(folder, 1, 0, profile)
    return path


def take_pictures(scene: Scene, folder: Path, out: Path) -> None:
    """Train, replay, decode, and save both pictures of a scene.

    Parameters
    ----------
    scene : Scene
    folder : Path
        For what is needed on the way.
    out : Path
        Folder of the pictures; those that are there are replaced.
    """
    session = read_session(scene.session, quality=QualityFilter())
    task = resolve(session, scene.task)
    bundle = folder / f"{scene.name}.pt"
    window: WindowSpec = choose_window(session, task)
    console.print(f"{scene.name}: training for {task.name}, window {window}", highlight=False)
    result = train_bundle(
        session, task.name, "lda", window, bundle, session_path=scene.session, force=True
    )
    trained_us = result.info.sessions[0].last_training_onset_us
    start_us, stop_us = choose_stretch(task, trained_us, round(SECONDS * US_PER_S))
    stretch = [f"--start={start_us / US_PER_S!r}", f"--stop={stop_us / US_PER_S!r}"]
    # While it still decodes: the last seconds of a run are the emptiest.
    after_s = (stop_us - start_us) / US_PER_S - BEFORE_END_S
    seen: list[object] = ["--after-s", after_s]
    if scene.images:
        seen += ["--images", scene.images]
    with Processes(console) as processes:
        decode = ["decode", bundle, "--once", *scene.options]
        processes.start("decoder", decode, log=folder / "decoder.log")
        for theme in ("dark", "light"):
            picture = out / f"display-{scene.name}-{theme}.png"
            view = ["view", "--offscreen", "--theme", theme, "--size", SIZE, *seen]
            log = folder / f"{theme}.log"
            processes.start(f"{theme} display", [*view, "--snapshot", picture, "--force"], log=log)
        if scene.fires_at:
            _practise(time.monotonic() + PATIENCE_S)
        replay = ["replay", scene.session, *stretch, "--wait", "decoder"]
        processes.start("source", replay)
        processes.wait(PATIENCE_S + SECONDS)


def _practise(until_s: float) -> None:
    """Let the trigger run dry, as soon as the decoder takes orders."""
    while DECODER not in control.decoders():
        if time.monotonic() > until_s:
            raise UserError(f"expected the decoder {DECODER!r} to take orders; it does not")
        time.sleep(0.1)
    control.send(DECODER, "dry-run")


def main(
    out: Annotated[Path, typer.Option(help="Folder of the pictures.")] = IMAGES,
    work: Annotated[
        Path | None, typer.Option(help="Keeps simulated sessions from one time to the next.")
    ] = None,
) -> None:
    """Draw the README's pictures anew."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = work or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        out.mkdir(parents=True, exist_ok=True)
        for scene in (gratings_session(folder), scenes_session(folder)):
            take_pictures(scene, folder, out)


if __name__ == "__main__":
    typer.run(main)

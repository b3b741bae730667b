"""A replay as the command line asks for it: wait for listeners, play, say how it went."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from replay.player import Player, ReplaySettings
from rtdecode import streams
from rtdecode.errors import UserError
from rtdecode.health import State
from rtdecode.session import read_session
from rtdecode.session.quality import QualityFilter
from rtdecode.stop_signals import on_stop_signals

console = Console(stderr=True, emoji=False)
LOOK_S = 0.05
STOPPED = 130  # what a shell expects of Ctrl-C
LINGER_S = 1.0  # what is still in LSL's buffers goes out before the outlets close


class Wait(StrEnum):
    """What a replay waits for before it begins."""

    LISTENERS = "listeners"
    DECODER = "decoder"
    NOTHING = "nothing"


def run_replay(
    path: Path, settings: ReplaySettings, wait: Wait, quality: QualityFilter | None
) -> None:
    """Play a session; Ctrl-C ends it cleanly.

    Parameters
    ----------
    path : Path
    settings : ReplaySettings
    wait : Wait
    quality : QualityFilter or None
        Which units are sent; None for all.

    Raises
    ------
    UserError
        If the session cannot be read or has nothing to play.
    """
    if not math.isfinite(settings.speed):
        raise UserError(f"expected a finite speed, found {settings.speed}: give 1 for real time")
    session = read_session(path, quality=quality)
    player = Player(session, settings)
    if not player.total_spikes:
        raise UserError(f"expected spikes in the stretch to replay of {path}, found none")
    console.print(
        f"replay of {session.name}: {player.total_spikes:,} spikes of {len(session.units)} units, "
        f"{len(player.markers)} stimuli, {player.duration_s:.0f} s",
        highlight=False,
    )
    with on_stop_signals(player.stop):
        _wait(player, wait)
    if player.stopped:
        console.print("stopped before it began")
        raise SystemExit(STOPPED)
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("replaying", total=1.0)
        _play(player, lambda share: progress.update(bar, completed=share))
    time.sleep(LINGER_S)
    console.print(
        f"sent {player.sent_spikes:,} spikes and {player.sent_markers:,} stimuli", highlight=False
    )


def _play(player: Player, on_share: Callable[[float], None]) -> None:
    """Play; Ctrl-C and terminate end it between two ticks, not inside one."""
    tick = 0

    def on_tick(share: float) -> None:
        nonlocal tick
        tick += 1
        if tick % 100 == 0:  # the bar costs more than a tick's spikes
            on_share(share)

    with on_stop_signals(player.stop):
        player.play(on_tick)
    if player.stopped:
        console.print("stopped before the end")


def _wait(player: Player, wait: Wait) -> None:
    if wait is Wait.NOTHING:
        return
    console.print(f"waiting for {'a decoder' if wait is Wait.DECODER else 'listeners'}")
    if wait is Wait.DECODER:
        wait_for_decoder(lambda: not player.stopped)
    while not (player.has_listeners() or player.stopped):
        time.sleep(0.02)


def wait_for_decoder(goes_on: Callable[[], bool] = lambda: True) -> None:
    """Until a decoder says on its health stream that it is ready, or we are to stop.

    Every decoder is heard, also one that starts after another has ended.
    """
    lookout = streams.Lookout(streams.HEALTH, streams.TEXT_FORMAT)
    heard: dict[str, streams.TextInlet] = {}
    while goes_on() and not any(map(_says_ready, heard.values())):
        time.sleep(LOOK_S)
        for found in lookout.found_all():
            if found.uid not in heard:
                heard[found.uid] = streams.TextInlet(found)
    for inlet in heard.values():
        inlet.close()


def _says_ready(health: streams.TextInlet) -> bool:
    ready = [f'"state":"{state.value}"' for state in (State.READY, State.DECODING)]
    return any(state in text for text, _ in health.pull() for state in ready)

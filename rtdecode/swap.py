"""A running decoder's successor: read and checked beside the loop, which then only takes it."""

from __future__ import annotations

from pathlib import Path

from rtdecode.backends import load_decoder
from rtdecode.decoder import Decoder
from rtdecode.errors import UserError


def load_successor(path: str | Path, running: Decoder, backend: str) -> Decoder:
    """Read, check and warm a bundle that is to take the place of the one that runs.

    Raises
    ------
    UserError
        If it is no bundle, not one for this backend, or does not fit in the other's place.
    """
    successor = load_decoder(path, backend)
    check_successor(running, successor)
    successor.warm_up()
    return successor


def check_successor(running: Decoder, successor: Decoder, early: bool = False) -> None:
    """Refuse a bundle that other spikes, windows or listeners would be needed for.

    The ring's rows are the bundle's units and the posterior's channels its classes,
    and both stay what they are while streams run. Where decisions fall early, a
    window that is open waits for a step of the bundle's.

    Raises
    ------
    UserError
    """
    now, then = running.info, successor.info
    pairs = {
        "units": (now.unit_ids, then.unit_ids),
        "classes": (now.classes, then.classes),
        "window": (now.window, then.window),
        "stimuli": (now.label_rule, then.label_rule),
    }
    if early:
        pairs["steps"] = (now.steps, then.steps)
    differing = [name for name, (mine, other) in pairs.items() if mine != other]
    if differing:
        raise UserError(
            "expected a bundle with the units, classes, window and stimuli of the one that runs, "
            f"found other {' and '.join(differing)}: stop the decoder and start it with the new one"
        )

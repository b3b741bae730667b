"""What a trigger sets off, opened before the decoder is ready."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from rtdecode.rig import OutputsSection
from rtdecode.triggers.entry_points import load_callables
from rtdecode.triggers.serial_byte import SerialByte


class Output(Protocol):
    """Something that a trigger sets off."""

    name: str

    def fire(self, event: Mapping[str, object]) -> None:
        """Do it, at once or not at all.

        Raises
        ------
        OutputError
        """

    def trouble(self) -> str:
        """What has gone wrong since; empty if nothing has."""

    def close(self) -> None:
        """Let go of it."""


def open_outputs(section: OutputsSection) -> list[Output]:
    """The outputs of a rig, the fastest first.

    Raises
    ------
    UserError
        If the port cannot be opened or a callable is not there.
    """
    serial = [SerialByte(section.serial)] if section.serial.port else []
    return [*serial, *load_callables(section.callables)]

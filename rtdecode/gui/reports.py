"""What decoder and bridge say of themselves: health, the trigger, the streams they hear."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rtdecode.gui.messages import (
    UNFIT,
    MalformedError,
    counts_of,
    json_object,
    number_of,
    numbers_in,
)

#: Fields of a health report that have their place; other numbers are shown as they are named.
KNOWN_OF_HEALTH = (
    *("since_s", "data_age_ms", "watermark_lag_ms", "spikes_per_s", "windows", "every_ms"),
    *("windows_incomplete", "windows_skipped", "windows_faulted"),
)


@dataclass(frozen=True)
class Policy:
    """How the trigger stands, as the decoder's health tells it.

    Attributes
    ----------
    mode, why : str
        ``disarmed``, ``dry-run``, ``armed`` or ``sham``, and what brought it there.
    classes : tuple of str
        What it fires at; without one it never does.
    fired, withheld, refused : int
        Windows by answer since the decoder's start.
    reasons : mapping of str to int
        The same by reason.
    per_session : int
        The most that it gives; 0 where that is not told.
    """

    mode: str
    why: str = ""
    classes: tuple[str, ...] = ()
    fired: int = 0
    withheld: int = 0
    refused: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    per_session: int = 0

    @property
    def given(self) -> int:
        """The dose: triggers that were given or withheld as sham."""
        return self.fired + self.withheld

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Policy:
        """Read what a health report says of the trigger."""
        return cls(
            mode=str(said["mode"]),
            why=str(said.get("why", "")),
            classes=tuple(map(str, said.get("classes", ()))),
            fired=int(said.get("fired", 0)),
            withheld=int(said.get("withheld", 0)),
            refused=int(said.get("refused", 0)),
            reasons={str(reason): int(n) for reason, n in said.get("reasons", {}).items()},
            per_session=int(said.get("per_session", 0)),
        )


@dataclass(frozen=True)
class Stream:
    """One spike stream of several, as the decoder or a bridge tells of it.

    Attributes
    ----------
    name : str
    silent : bool
        Whether it sends nothing.
    age_ms : float
        Since its last row; NaN where that is not told.
    numbers : mapping of str to float
        Whatever else is told of it.
    """

    name: str
    silent: bool = False
    age_ms: float = math.nan
    numbers: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Stream:
        """Read what a report says of a stream."""
        numbers = numbers_in(said, ("data_age_ms", "rows", "spikes", "watermark_lag_ms"))
        age_ms = number_of(said.get("data_age_ms"))
        return cls(str(said["name"]), bool(said.get("silent")), age_ms, numbers)


@dataclass(frozen=True)
class Bridge:
    """What the bridge from the acquisition software says of itself."""

    state: str
    message: str = ""
    streams: tuple[Stream, ...] = ()
    extras: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str) -> Bridge:
        """Read a bridge's report.

        Raises
        ------
        MalformedError
            If the message is none.
        """
        said = json_object(text)
        try:
            streams = tuple(map(Stream.of, said.get("streams", ())))
            message = str(said.get("message", ""))
            return cls(str(said["state"]), message, streams, numbers_in(said, ()))
        except UNFIT as error:
            raise MalformedError(f"a bridge's report misstates a field: {error}") from error


@dataclass(frozen=True)
class Health:
    """The decoder's own account of itself."""

    state: str
    data_age_ms: float = math.nan
    watermark_lag_ms: float = math.nan
    spikes_per_s: float = math.nan
    spikes: Mapping[str, int] = field(default_factory=dict)
    windows: int = 0
    windows_incomplete: int = 0
    message: str = ""
    every_ms: float = math.nan
    policy: Policy | None = None
    skipped: int = 0
    faulted: int = 0
    streams: tuple[Stream, ...] = ()
    clocks: tuple[Stream, ...] = ()
    record: str = ""
    extras: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str) -> Health:
        """Read a health message.

        Raises
        ------
        MalformedError
            If the message is no health report.
        """
        said = json_object(text)
        try:
            return cls(
                state=str(said["state"]),
                data_age_ms=number_of(said.get("data_age_ms")),
                watermark_lag_ms=number_of(said.get("watermark_lag_ms")),
                spikes_per_s=number_of(said.get("spikes_per_s")),
                spikes=counts_of(said["spikes"]) if "spikes" in said else {},
                windows=int(said.get("windows", 0)),
                windows_incomplete=int(said.get("windows_incomplete", 0)),
                message=str(said.get("message", "")),
                every_ms=number_of(said.get("every_ms")),
                policy=Policy.of(said["trigger"]) if "trigger" in said else None,
                skipped=int(said.get("windows_skipped", 0)),
                faulted=int(said.get("windows_faulted", 0)),
                streams=tuple(map(Stream.of, said.get("streams", ()))),
                clocks=tuple(map(_clock, said.get("clocks", ()))),
                record=_record(said.get("record", {})),
                extras=numbers_in(said, KNOWN_OF_HEALTH),
            )
        except UNFIT as error:
            raise MalformedError(f"a health report lacks or misstates a field: {error}") from error


@dataclass(frozen=True)
class Trigger:
    """One answer of the trigger policy: fired, or refused and why."""

    fired: bool
    reason: str = ""
    window: int = 0
    p: float = math.nan

    @classmethod
    def from_json(cls, text: str) -> Trigger:
        """Read a trigger message.

        Raises
        ------
        MalformedError
            If the message is no trigger report.
        """
        said = json_object(text)
        if said.get("fired") not in (True, False):
            raise MalformedError(f"a trigger report says fired: true or false; found {text[:80]!r}")
        try:
            window, p = int(said.get("window", 0)), number_of(said.get("p"))
        except UNFIT as error:
            raise MalformedError(f"a trigger report misstates a field: {error}") from error
        return cls(bool(said["fired"]), str(said.get("reason") or ""), window, p)


def _clock(said: Mapping[str, Any]) -> Stream:
    """How far another host's clock is from the decoder's."""
    return Stream.of({**said, "name": f"clock of {said['host']}"})


def _record(said: Mapping[str, Any]) -> str:
    """How the record of the run stands, in words; empty without one."""
    state, message = str(said.get("state", "")), str(said.get("message") or "")
    return f"{state}: {message}" if message else state

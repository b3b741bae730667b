"""What the display is told, as plain values: one `Batch` of these a frame."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtdecode.session.model import Units

SPIKE_KINDS = ("on_time", "late", "duplicate", "unknown", "malformed", "lost")
STAGES = ("wire_in", "wait", "bin", "infer", "wire_out")


#: What reading a message with a field absent or of the wrong kind runs into.
UNFIT = (KeyError, TypeError, AttributeError, OverflowError, ValueError)


class MalformedError(ValueError):
    """A message from the wire that is not what its stream should carry."""


@dataclass(frozen=True)
class DecoderInfo:
    """What a decoder says of itself in the description of its posterior stream.

    One that was started anew is the same by all that is compared; what it is armed by
    (`control`, on `host`) is another.
    """

    name: str
    classes: tuple[str, ...]
    task: str = ""
    window: str = ""
    bundle: str = ""
    deadline_ms: float = math.inf
    control: str = field(default="", compare=False)
    host: str = field(default="", compare=False)


@dataclass(frozen=True)
class Onset:
    """A stimulus marker: when, and what it says (``{"label": text}`` for a plain label)."""

    time_us: int
    stimulus: Mapping[str, Any]


@dataclass(frozen=True)
class Decision:
    """One decoded window, as the decoder published it."""

    window: int
    onset_us: int
    start_us: int
    end_us: int
    top: str
    p: float
    label: str = ""
    session_us: int | None = None
    complete: bool = True
    closed_by: str = ""
    spikes: Mapping[str, int] = field(default_factory=dict)
    in_window: int = 0
    stages_ms: Mapping[str, float] = field(default_factory=dict)

    @property
    def correct(self) -> bool | None:
        """Whether the decoded class is the true one; None where that is unknown."""
        return self.top == self.label if self.label else None

    @classmethod
    def from_json(cls, text: str) -> Decision:
        """Read a decision message.

        Raises
        ------
        MalformedError
            If the message is no decision: not JSON, a field absent or of the wrong kind.
        """
        said = _json_object(text)
        try:
            return cls(
                window=int(said["window"]),
                onset_us=_time(said["onset_us"]),
                start_us=_time(said["start_us"]),
                end_us=_time(said["end_us"]),
                top=str(said["top"]),
                p=_number(said["p"]),
                label=str(said.get("label") or ""),
                session_us=said.get("session_us"),
                complete=bool(said.get("complete", True)),
                closed_by=str(said.get("closed_by", "")),
                spikes=_counts(said.get("spikes", {})),
                in_window=int(said.get("in_window", 0)),
                stages_ms=_numbers(said.get("stages_ms", {})),
            )
        except UNFIT as error:
            raise MalformedError(f"a decision lacks or misstates a field: {error}") from error


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

    @classmethod
    def from_json(cls, text: str) -> Health:
        """Read a health message.

        Raises
        ------
        MalformedError
            If the message is no health report.
        """
        said = _json_object(text)
        try:
            return cls(
                state=str(said["state"]),
                data_age_ms=_number(said.get("data_age_ms")),
                watermark_lag_ms=_number(said.get("watermark_lag_ms")),
                spikes_per_s=_number(said.get("spikes_per_s")),
                spikes=_counts(said.get("spikes", {})),
                windows=int(said.get("windows", 0)),
                windows_incomplete=int(said.get("windows_incomplete", 0)),
                message=str(said.get("message", "")),
                every_ms=_number(said.get("every_ms")),
                policy=Policy.of(said["trigger"]) if "trigger" in said else None,
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
        said = _json_object(text)
        if said.get("fired") not in (True, False):
            raise MalformedError(f"a trigger report says fired: true or false; found {text[:80]!r}")
        try:
            window, p = int(said.get("window", 0)), _number(said.get("p"))
        except UNFIT as error:
            raise MalformedError(f"a trigger report misstates a field: {error}") from error
        return cls(bool(said["fired"]), str(said.get("reason") or ""), window, p)


@dataclass
class Batch:
    """All that arrived between two frames.

    Attributes
    ----------
    spikes_us : (spikes,) int64
        LSL clock, microseconds.
    spike_units : (spikes,) int32
        Unit ids; watermark rows are taken out.
    watermark_us : int or None
        The newest watermark in this batch.
    posterior_us : (rows,) int64
        Window ends.
    posteriors : (rows, classes) float32
    heard : set of str
        The streams that sent anything at all, watermark rows included.
    malformed : int
        Messages that could not be read.
    ended : bool
        The source said that its run is over.
    decoder : DecoderInfo or None
        Where a decoder has just been connected to.
    units : Units or None
        Where a spike stream has just been connected to.
    """

    spikes_us: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    spike_units: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    watermark_us: int | None = None
    posterior_us: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    posteriors: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), np.float32))
    decisions: list[Decision] = field(default_factory=list)
    healths: list[Health] = field(default_factory=list)
    onsets: list[Onset] = field(default_factory=list)
    triggers: list[Trigger] = field(default_factory=list)
    heard: set[str] = field(default_factory=set)
    malformed: int = 0
    ended: bool = False
    decoder: DecoderInfo | None = None
    units: Units | None = None


def onset_from_marker(time_us: int, text: str) -> Onset:
    """Read a stimulus marker: JSON that names its stimulus, or a plain label."""
    said = _parsed(text)
    return Onset(time_us, said if isinstance(said, dict) else {"label": text})


def _json_object(text: str) -> dict[str, Any]:
    match _parsed(text):
        case dict() as said:
            return said
    raise MalformedError(f"a JSON object was expected; found {text[:80]!r}")


def _parsed(text: str) -> object:
    """JSON as values; None where it is none (or nested beyond reason)."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _time(value: Any) -> int:
    """Microseconds that fit into int64."""
    return int(np.array([int(value)], np.int64)[0])


def _number(value: object) -> float:
    """A float; NaN for what is absent (JSON has no NaN)."""
    return float(value) if isinstance(value, (int, float)) else math.nan


def _numbers(said: Mapping[str, object]) -> dict[str, float]:
    return {name: _number(value) for name, value in said.items()}


def _counts(said: Mapping[str, Any]) -> dict[str, int]:
    return {kind: int(said.get(kind) or 0) for kind in SPIKE_KINDS}

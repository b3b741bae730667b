"""What the display is told, as plain values: one `Batch` of these a frame."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtdecode.gui.messages import (
    UNFIT,
    MalformedError,
    counts_of,
    json_object,
    number_of,
    numbers_of,
    parsed,
    time_of,
)
from rtdecode.gui.reports import Bridge, Health, Trigger
from rtdecode.session.model import Units

STAGES = ("wire_in", "wait", "bin", "infer", "wire_out")


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
    bins_used: int = 0
    bins: int = 0
    stages_ms: Mapping[str, float] = field(default_factory=dict)

    @property
    def correct(self) -> bool | None:
        """Whether the decoded class is the true one; None where that is unknown."""
        return self.top == self.label if self.label else None

    @property
    def is_early(self) -> bool:
        """Whether it was made before its window's last bin."""
        return self.bins_used < self.bins

    @classmethod
    def from_json(cls, text: str) -> Decision:
        """Read a decision message.

        Raises
        ------
        MalformedError
            If the message is no decision: not JSON, a field absent or of the wrong kind.
        """
        said = json_object(text)
        try:
            return cls(
                window=int(said["window"]),
                onset_us=time_of(said["onset_us"]),
                start_us=time_of(said["start_us"]),
                end_us=time_of(said["end_us"]),
                top=str(said["top"]),
                p=number_of(said["p"]),
                label=str(said.get("label") or ""),
                session_us=said.get("session_us"),
                complete=bool(said.get("complete", True)),
                closed_by=str(said.get("closed_by", "")),
                spikes=counts_of(said.get("spikes", {})),
                in_window=int(said.get("in_window", 0)),
                bins_used=int(said.get("bins_used", 0)),
                bins=int(said.get("bins", 0)),
                stages_ms=numbers_of(said.get("stages_ms", {})),
            )
        except UNFIT as error:
            raise MalformedError(f"a decision lacks or misstates a field: {error}") from error


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
    bridge : Bridge or None
        The newest report of a bridge.
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
    bridge: Bridge | None = None
    decoder: DecoderInfo | None = None
    units: Units | None = None


def onset_from_marker(time_us: int, text: str) -> Onset:
    """Read a stimulus marker: JSON that names its stimulus, or a plain label."""
    said = parsed(text)
    return Onset(time_us, said if isinstance(said, dict) else {"label": text})

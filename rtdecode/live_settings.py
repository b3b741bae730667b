"""How the decoder process runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from rtdecode.engine import EngineSettings
from rtdecode.microseconds import US_PER_MS
from rtdecode.rig import OutputsSection
from rtdecode.trigger import TriggerSettings


@dataclass(frozen=True)
class LiveSettings:
    """How the decoder process runs.

    Attributes
    ----------
    engine : EngineSettings
    spikes, stimuli : str
        Names of the streams to decode; empty for the one of that type.
    stale_us : int
        Without rows for this long the data are stale.
    deadline_ms : float
        Told to the display; what the lab calls in time.
    once : bool
        Stop when a replay says that it has ended.
    most_windows : int
        Stop after this many; 0 for never.
    native : bool
        Pull in compiled code where that can be had.
    name : str
        What it is armed and disarmed by; empty for one made of the process id.
    trigger : TriggerSettings
    outputs : OutputsSection
        When a trigger fires, and what it sets off.
    backend : str
        What computes the probabilities; see ``rtdecode.backends``.
    """

    engine: EngineSettings = field(default_factory=EngineSettings)
    spikes: str = ""
    stimuli: str = ""
    stale_us: int = 300 * US_PER_MS
    deadline_ms: float = 10.0
    once: bool = False
    most_windows: int = 0
    native: bool = True
    name: str = ""
    trigger: TriggerSettings = field(default_factory=TriggerSettings)
    outputs: OutputsSection = field(default_factory=OutputsSection)
    backend: str = "torchscript"

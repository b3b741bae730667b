"""How the decoder process runs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from rtdecode.engine import EngineSettings
from rtdecode.markers import AS_THEY_ARE, MarkerMap
from rtdecode.microseconds import US_PER_MS
from rtdecode.rig import EngineSection, OutputsSection, Rig, SubjectSection
from rtdecode.trigger import TriggerSettings


@dataclass(frozen=True)
class LiveSettings:
    """How the decoder process runs.

    Attributes
    ----------
    engine : EngineSettings
    spikes : tuple of str
        Names of the spike streams, one a probe; an empty name for the only one
        of its type, ``all`` for every one of it.
    counts : tuple of str
        Names of streams of counts, beside spikes or instead.
    stimuli : str
        Name of the marker stream; empty for the only one of its type.
    markers : MarkerMap
        What the rig's own markers mean.
    go_on : bool
        Whether windows wait for the others alone when a spike stream is silent.
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
    subject : SubjectSection
        The animal, for the record.
    """

    engine: EngineSettings = field(default_factory=EngineSettings)
    spikes: tuple[str, ...] = ("",)
    counts: tuple[str, ...] = ()
    stimuli: str = ""
    markers: MarkerMap = AS_THEY_ARE
    go_on: bool = False
    stale_us: int = 300 * US_PER_MS
    deadline_ms: float = 10.0
    once: bool = False
    most_windows: int = 0
    native: bool = True
    name: str = ""
    trigger: TriggerSettings = field(default_factory=TriggerSettings)
    outputs: OutputsSection = field(default_factory=OutputsSection)
    backend: str = "torchscript"
    subject: SubjectSection = field(default_factory=SubjectSection)


def windows_of(section: EngineSection) -> EngineSettings:
    """Which windows there are and when they are decided; the same live and offline."""
    return EngineSettings(
        hop_us=round(section.sliding_ms * US_PER_MS),
        early=section.early,
        decide_at=section.decide_at,
    )


def settings_of(rig: Rig, once: bool = False, most_windows: int = 0) -> LiveSettings:
    """A rig's settings as the decoder process takes them."""
    section = rig.engine
    engine = replace(
        windows_of(section),
        lateness_us=round(section.lateness_ms * US_PER_MS),
        dedup_us=round(section.dedup_ms * US_PER_MS),
        ahead_us=round(section.ahead_ms * US_PER_MS),
        retain_us=round(section.retain_ms * US_PER_MS),
        capacity=section.ring_spikes,
    )
    return LiveSettings(
        engine=engine,
        spikes=rig.streams.spikes or (() if rig.streams.counts else ("",)),
        counts=rig.streams.counts,
        go_on=rig.streams.silent == "go-on",
        stimuli=rig.streams.stimuli,
        markers=MarkerMap(rig.markers.key, rig.markers.map),
        stale_us=round(section.stale_ms * US_PER_MS),
        deadline_ms=section.deadline_ms,
        once=once,
        most_windows=most_windows,
        native=section.compiled,
        name=rig.name,
        trigger=rig.trigger,
        outputs=rig.outputs,
        backend=section.backend,
        subject=rig.subject,
    )

"""The settings of a rig: one TOML file, each field checked and documented.

What the command line says goes before ``-o``, ``-o`` before the file, the file
before the defaults.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from rtdecode.trigger import Labels, TriggerSettings


def _none_where_empty(value: Any) -> Any:
    """TOML has no null: an empty text says that there is none."""
    return None if value == "" else value


File = Annotated[Path | None, BeforeValidator(_none_where_empty)]
Milliseconds = Annotated[float, Field(ge=0, le=60_000)]


class Section(BaseModel):
    """A table of the file; it knows its fields and no others."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StreamsSection(Section):
    """What is listened to, by name on the network."""

    spikes: Annotated[
        Labels,
        Field(
            description="Names of the spike streams, one a probe; all: every one of type "
            "SpikeEvents; without one, the only one of that type"
        ),
    ] = ()
    silent: Annotated[
        Literal["stale", "go-on"],
        Field(
            description="When one of several spike streams is silent: the data are stale, "
            "or windows go on without it, marked incomplete"
        ),
    ] = "stale"
    counts: Annotated[
        Labels, Field(description="Names of streams of binned counts, beside or instead of spikes")
    ] = ()
    stimuli: Annotated[
        str, Field(description="Name of the marker stream; the only one of type Markers without")
    ] = ""


class EngineSection(Section):
    """How windows and lateness are treated."""

    lateness_ms: Annotated[
        Milliseconds, Field(description="How long a window waits for late spikes")
    ] = 50.0
    sliding_ms: Annotated[
        float,
        Field(
            ge=0, le=1000, description="A window every so many milliseconds; 0: one at each marker"
        ),
    ] = 0.0
    early: Annotated[
        bool,
        Field(description="Decide within the window, as soon as the bundle is sure enough"),
    ] = False
    decide_at: Annotated[
        float,
        Field(ge=0, le=1, description="Probability at which it is; 0: what the bundle states"),
    ] = 0.0
    dedup_ms: Annotated[
        Milliseconds,
        Field(description="How far back a spike's duplicate is looked for; 0: not at all"),
    ] = 100.0
    ahead_ms: Annotated[
        Milliseconds,
        Field(description="A stamp this far ahead of the clock is from another clock: malformed"),
    ] = 1000.0
    retain_ms: Annotated[
        Milliseconds, Field(description="How long spikes are kept for a marker that comes late")
    ] = 1000.0
    ring_spikes: Annotated[
        int, Field(ge=1024, le=1 << 26, description="Spikes that the ring buffer holds")
    ] = 1 << 21
    stale_ms: Annotated[
        float, Field(ge=50, le=60_000, description="Without rows for this long the data are stale")
    ] = 300.0
    deadline_ms: Annotated[
        float,
        Field(gt=0, le=60_000, description="What the lab calls in time; the display marks it"),
    ] = 10.0
    backend: Annotated[
        Literal["torchscript", "onnx", "event"],
        Field(description="What computes: any model (onnx: faster), or a linear one by the spike"),
    ] = "torchscript"
    compiled: Annotated[
        bool, Field(description="Pull in compiled code, not through pylsl, where that can be had")
    ] = True
    realtime: Annotated[
        bool, Field(description="Real-time scheduling, where the system allows it")
    ] = False


class SerialSection(Section):
    """A byte to an Arduino, Teensy or Bpod for every trigger."""

    port: Annotated[
        str,
        Field(
            description="The port: /dev/ttyACM0, COM3; empty: no byte is sent",
            examples=["/dev/ttyACM0"],
        ),
    ] = ""
    baud: Annotated[int, Field(ge=50, le=4_000_000, description="Bits a second")] = 115_200
    byte: Annotated[int, Field(ge=0, le=255, description="The byte that is sent")] = 1
    timeout_ms: Annotated[
        float,
        Field(gt=0, le=100, description="A byte not taken within this disarms the trigger"),
    ] = 5.0


class OutputsSection(Section):
    """What a trigger sets off, beside the marker on the stream rtdecode-triggers."""

    serial: Annotated[SerialSection, Field(description="A byte on a serial port")] = SerialSection()
    callables: Annotated[
        Labels, Field(description="Python functions, as entry points of rtdecode.triggers")
    ] = ()


class MarkersSection(Section):
    """What the rig's own markers mean."""

    key: Annotated[
        str,
        Field(
            description="The field of a JSON or key=value marker that says what was shown; "
            "empty: those of the bundle's stimulus table"
        ),
    ] = ""
    map: Annotated[
        dict[str, str],
        Field(
            description="From the rig's marker, or its field, to the bundle's label; "
            "to an empty text: no onset",
            examples=[{"grating_left": "90"}],
        ),
    ] = {}


class RecordSection(Section):
    """The record of a run."""

    file: Annotated[File, Field(description="The NWB file that is written; empty: none")] = None


class SubjectSection(Section):
    """The animal, as the record's NWB file tells of it."""

    id: Annotated[
        str,
        Field(
            pattern=r"^[^/\\]*$",
            description="The animal's name in the lab, without slashes; empty: not told",
            examples=["M0412"],
        ),
    ] = ""
    species: Annotated[str, Field(description="In Latin", examples=["Mus musculus"])] = ""
    sex: Annotated[
        Literal["M", "F", "O", "U"], Field(description="Male, female, other, unknown")
    ] = "U"
    age: Annotated[
        str,
        Field(
            pattern=r"^(P\d+(\.\d+)?[DWMY](/(P\d+(\.\d+)?[DWMY])?)?)?$",
            description="As ISO 8601 has it: P90D is 90 days; P90D/ is 90 days or more",
            examples=["P90D"],
        ),
    ] = ""


class DisplaySection(Section):
    """The display that is opened with the decoder."""

    open: Annotated[bool, Field(description="Open it")] = False
    theme: Annotated[
        Literal["", "dark", "light"], Field(description="dark or light; empty: as last time")
    ] = ""
    images: Annotated[
        File, Field(description="A folder of the stimuli's pictures, named by label")
    ] = None


class Rig(Section):
    """All settings of a rig."""

    bundle: Annotated[
        File,
        Field(
            description="The trained decoder; what the command line names goes first",
            examples=["decoder.pt"],
        ),
    ] = None
    name: Annotated[
        str,
        Field(
            pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,63})?$",
            description="What the decoder is armed and disarmed by; empty: made of its process id",
            examples=["left-rig"],
        ),
    ] = ""
    streams: StreamsSection = StreamsSection()
    engine: EngineSection = EngineSection()
    trigger: TriggerSettings = TriggerSettings()
    outputs: OutputsSection = OutputsSection()
    markers: MarkersSection = MarkersSection()
    record: RecordSection = RecordSection()
    subject: SubjectSection = SubjectSection()
    display: DisplaySection = DisplaySection()

"""The wire: Lab Streaming Layer streams, their names, formats and descriptions.

The only module that imports pylsl. Times cross it as int64 microseconds and
become float seconds on the way out. LSL replaces the stamps 0.0 and -1.0 by
"now", so no stamp of ours may be near them: a replay shifts session time into
the LSL clock's present.
"""

from rtdecode.streams.counts import COUNT_FORMAT, CountInlet, CountOutlet
from rtdecode.streams.inlets import (
    PosteriorInlet,
    SpikeInlet,
    TextInlet,
)
from rtdecode.streams.outlets import (
    PosteriorOutlet,
    SpikeOutlet,
    TextOutlet,
    new_source_id,
)
from rtdecode.streams.wire import (
    BRIDGE,
    DECISIONS,
    HEALTH,
    POSTERIOR,
    POSTERIOR_FORMAT,
    SEQUENCE_WRAP,
    SPIKE_FORMAT,
    SPIKES,
    STIMULI,
    TEXT_FORMAT,
    TRIGGERS,
    WATERMARK,
    Format,
    Found,
    Lookout,
    clock_us,
    find,
    find_by_uid,
    library,
    library_path,
    microseconds,
    seconds,
    streams_on_network,
)

__all__ = [
    "BRIDGE",
    "COUNT_FORMAT",
    "DECISIONS",
    "HEALTH",
    "POSTERIOR",
    "POSTERIOR_FORMAT",
    "SEQUENCE_WRAP",
    "SPIKES",
    "SPIKE_FORMAT",
    "STIMULI",
    "TEXT_FORMAT",
    "TRIGGERS",
    "WATERMARK",
    "CountInlet",
    "CountOutlet",
    "Format",
    "Found",
    "Lookout",
    "PosteriorInlet",
    "PosteriorOutlet",
    "SpikeInlet",
    "SpikeOutlet",
    "TextInlet",
    "TextOutlet",
    "clock_us",
    "find",
    "find_by_uid",
    "library",
    "library_path",
    "microseconds",
    "new_source_id",
    "seconds",
    "streams_on_network",
]

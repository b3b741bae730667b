"""What comes over the network: markers, rows, and what a decoder says to a display."""

import contextlib
import io
import json
import math

import numpy as np

from rtdecode import control
from rtdecode.engine import Engine, EngineSettings
from rtdecode.gui.messages import MalformedError
from rtdecode.gui.packets import Decision, onset_from_marker
from rtdecode.gui.reports import Bridge, Health, Trigger
from rtdecode.kernels.ingest import KINDS, ROWS, WATERMARKS
from rtdecode.kernels.stamps import stamps_to_us
from rtdecode.markers import read_marker
from rtdecode.record.journal import Text
from rtdecode.record.markers import presentations_of
from rtdecode.tasks import LabelRule, TableRule
from rtdecode.windows import WindowSpec
from tests.fuzz.mutate import TEXTS, as_text, hostile_value, mutate_bytes, mutate_json

RULE = LabelRule(
    task="t",
    tables={"gratings": TableRule(columns=("orientation", "frame"), leave_out={"frame": "-1"})},
)
MARKER = {"stimulus_name": "gratings", "orientation": 90.0, "frame": 3, "session_us": 5}
COUNTS = {"on_time": 5, "late": 0, "duplicate": 0, "unknown": 0, "malformed": 0, "lost": 0}
DECISION = {
    **{"window": 17, "onset_us": 10**9, "session_us": None, "start_us": 10**9, "end_us": 10**9},
    **{"label": "90", "top": "90", "p": 0.9, "closed_by": "watermark", "complete": True},
    **{"spikes": COUNTS, "in_window": 3, "stages_ms": {"wire_in": 0.3, "wait": 0.1}},
    **{"rows": {"s": 4}, "taken": {"s": 5}, "bundle": "0a"},
}
HEALTH = {
    **{"state": "DECODING", "since_s": 12.5, "message": "", "data_age_ms": 3.0, "windows": 4},
    **{"windows_incomplete": 0, "markers": {"used": 1}, "spikes_per_s": 300.0, "spikes": COUNTS},
    **{"latency_ms": {"wait": {"p50": 0.1, "p95": 0.2, "p99": 0.3, "max": 0.4}}},
    **{"trigger": {"mode": "armed", "why": "as asked", "fired": 1, "reasons": {"fired": 1}}},
    **{"record": {"file": "run.nwb", "state": "recording", "message": ""}},
}
TRIGGER = {"fired": True, "reason": "fired", "mode": "armed", "window": 3, "p": 0.9, "count": 1}
READERS = (
    (Decision.from_json, DECISION),
    (Health.from_json, HEALTH),
    (Trigger.from_json, TRIGGER),
    (Bridge.from_json, {"bridge": "x", "rows": 4}),
    (lambda text: onset_from_marker(10**9, text), MARKER),
)


class Markers:
    """Text of a rig's own making, to the decoder and into a record."""

    def prepare(self, folder):
        pass

    def make(self, rng, folder):
        said = [as_text(rng, mutate_json(rng, MARKER)) for _ in range(4)]
        pairs = mutate_bytes(rng, b'stimulus_name=gratings; orientation=90, frame="3" x = 1')
        self.texts = [*said, rng.choice(TEXTS), as_text(rng, hostile_value(rng))]
        self.texts.append(pairs.decode("utf-8", "replace"))
        stamps = (-(2**63), 0, 10**9, 9 * 10**15, 2**62)
        self.stamps = [rng.choice(stamps) for _ in self.texts]

    def use(self, folder):
        for text in self.texts:
            marker = read_marker(text, RULE, {"90/3"})
            assert marker.label in ("", "90/3")
            assert marker.session_us is None or abs(marker.session_us) < 2**62
        pairs = zip(self.texts, self.stamps, strict=True)
        tables = presentations_of([Text(stamp, 0, text) for text, stamp in pairs], 0)
        for name, table in tables.items():
            assert "/" not in name
            assert {len(table)} == {len(table.stop_us), *map(len, table.columns.values())}


class SpikeRows:
    """Rows of any unit, sequence and stamp, in pulls of any size."""

    def prepare(self, folder):
        pass

    def make(self, rng, folder):
        self.lateness_us = rng.choice((0, 50_000))
        self.pulls = [pull(rng) for _ in range(rng.randrange(1, 8))]
        self.onsets = [rng.choice((0, 10**6, -(10**15), 2**61, 1_050_000)) for _ in range(3)]

    def use(self, folder):
        answer = np.array([0.5, 0.5], np.float32)
        how = EngineSettings(lateness_us=self.lateness_us, capacity=64)
        engine = Engine(np.array([3, 5]), WindowSpec(0, 100_000, 10_000), lambda c: answer, how)
        decided, now_us = 0, 10**6
        for onset_us in self.onsets:
            engine.mark(onset_us)
        for samples, stamps in self.pulls:
            times_us = np.empty(len(stamps), np.int64)
            stamps_to_us(stamps, len(stamps), times_us)
            engine.ingest(samples, times_us, now_us)
            now_us += 60_000
            decided += len(list(engine.step(now_us)))
        tally = engine.intake.tally
        assert (tally >= 0).all()
        kinds = dict(zip(KINDS, tally.tolist(), strict=False))
        kept = sum(kinds.values()) - kinds["lost"] + tally[WATERMARKS]
        assert kept <= tally[ROWS] == sum(len(stamps) for _, stamps in self.pulls)
        assert decided + (engine.next_end_us is not None) <= len(self.onsets) + 1


def pull(rng):
    """Rows (n, 2) int32 and stamps (n,) float64 seconds."""
    n = rng.choice((0, 1, 7, 100))
    edges = (-1, 0, 3, 5, -2, 2**31 - 1, -(2**31))
    samples = [
        [rng.choice(edges), rng.choice((0, 1, rng.randrange(200), 2**31 - 1))] for _ in range(n)
    ]
    wild = (math.nan, math.inf, -math.inf, 0.0, -1.0, 1e300, 9e12, -9e12, 1e9)
    stamps = [rng.choice(wild) if rng.random() < 0.3 else rng.uniform(0.9, 1.3) for _ in range(n)]
    return np.array(samples, np.int32).reshape(n, 2), np.array(stamps, np.float64)


class DisplayMessages:
    """What a display hears from something that may be no decoder of ours."""

    def prepare(self, folder):
        pass

    def make(self, rng, folder):
        self.said = [(read, as_text(rng, mutate_json(rng, good))) for read, good in READERS]

    def use(self, folder):
        for read, text in self.said:
            with contextlib.suppress(MalformedError):
                read(text)


class ControlLines:
    """What knocks at a decoder's door."""

    SECRET = b"s" * 32

    def prepare(self, folder):
        pass

    def make(self, rng, folder):
        line = control.sealed(self.SECRET, control.CLIENT, "n", {"command": "arm"})
        values = mutate_json(rng, json.loads(line))
        texts = (mutate_bytes(rng, line), as_text(rng, values).encode("utf-8", "replace"))
        self.line = rng.choice(texts)
        self.good = line

    def use(self, folder):
        line = self.line if self.line.endswith(b"\n") else self.line + b"\n"
        try:
            said = control.read_json(io.BytesIO(line))
        except OSError:
            return
        found = control.opened(self.SECRET, control.CLIENT, "n", said)
        if found is not None:
            assert found == {"command": "arm"}, "nobody without the secret is heard"

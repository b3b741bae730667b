"""Several probes: all are shown, and the one that has died is named; what else health tells."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from rtdecode.gui.feed import Feed, together
from rtdecode.gui.finding import only, roles_of, spike_streams
from rtdecode.gui.messages import MalformedError
from rtdecode.gui.packets import Batch
from rtdecode.gui.pulling import pull_into
from rtdecode.gui.raster import UnitOrder
from rtdecode.gui.reports import Bridge, Health, Stream
from rtdecode.gui.theme import DARK
from rtdecode.streams import WATERMARK, Found, SpikeInlet
from tests.gui import known
from tests.gui.conftest import Shown
from tests.gui.known import START_US, S
from tests.gui.test_live import found
from tests.gui.test_panels import colours


def probe(name: str, host: str = "a", made: float = 0.0) -> Found:
    import pylsl

    return replace(found(name, "SpikeEvents", host, made, pylsl.cf_int32), channels=2)


def test_the_streams_that_the_decoder_hears_are_shown() -> None:
    a, b, twin = probe("probe-a"), probe("probe-b"), probe("probe-b", "b", 5.0)
    network = [a, b, twin, probe("rtdecode-spikes")]
    assert spike_streams(network, ()) == {"spikes": network[3]}
    assert spike_streams(network, ["probe-a"]) == {"spikes": a}
    told = ["probe-a", "probe-b@b", "probe-c"]
    # The third is not there, and has its place all the same.
    assert spike_streams(network, told) == {"spikes probe-a": a, "spikes probe-b@b": twin}
    assert roles_of(told)[2] == "spikes probe-c"
    again = probe("probe-b", "a", 9.0)
    assert spike_streams([*network, again], ["probe-b@a#1"]) == {"spikes": again}
    assert spike_streams(network, ["probe-b@a#1", "x#y"]) == {}


def test_a_bridge_is_no_source_of_markers() -> None:
    import pylsl

    bridge = found("rtdecode-bridge", "Markers", form=pylsl.cf_string)
    psychopy = found("psychopy", "Markers", form=pylsl.cf_string)
    assert only([bridge, psychopy], "stimuli") is psychopy


class Arrived(SpikeInlet):
    """An inlet at which known rows have arrived."""

    def __init__(self, ids: list[int], times_us: list[int]) -> None:
        self.rows = np.array([ids, [0] * len(ids)], np.int32).T
        self.stamps = np.array(times_us) / 1e6

    def pull(self, timeout_s: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        return self.rows, self.stamps


def test_spikes_of_all_probes_come_in_one_batch() -> None:
    batch = Batch()
    pull_into(batch, "spikes a", Arrived([100, WATERMARK], [START_US, START_US + 30]))
    pull_into(batch, "spikes b", Arrived([101, 103, WATERMARK], [START_US + 5] * 2 + [START_US]))
    assert batch.spike_units.tolist() == [100, 101, 103]
    assert batch.spikes_us.tolist() == [START_US, START_US + 5, START_US + 5]
    # The view goes on with the probe that is furthest.
    assert batch.watermark_us == START_US + 30
    assert batch.heard == {"spikes"}


def test_units_of_all_probes_share_the_raster() -> None:
    one, other = known.units(4), known.units(4, ("CA1",))
    other = replace(other, ids=other.ids + 100)
    both = together([one, other])
    order = UnitOrder.of(both)
    assert order.n_units == 8
    assert [band.area for band in order.bands] == ["CA1", "LGd", "VISp"]
    assert sorted(order.rows_of(both.ids.astype(np.int32)).tolist()) == list(range(8))


def test_a_stream_that_is_no_longer_heard_is_let_go() -> None:
    from rtdecode.gui.feed import Attached

    feed = Feed()
    feed._queue.put(Attached("spikes", Arrived([100], [START_US]), Batch(units=known.units(4))))
    assert len(feed.pull().spikes_us) == 1
    feed._open["spikes"] = "the only one"
    feed._let_go_but(["spikes a", "spikes b"])
    assert feed._open == {}
    feed._inlets["spikes"].close = lambda: None  # type: ignore[method-assign]
    batch = feed.pull()
    assert len(batch.spikes_us) == 0
    more = replace(known.units(2), ids=np.array([900, 901]))
    for role, units in (("spikes a", known.units(4)), ("spikes b", more)):
        feed._queue.put(Attached(role, Arrived([], []), Batch(units=units)))
    batch = feed.pull()
    assert batch.units is not None
    assert batch.units.ids.tolist() == [100, 101, 102, 103, 900, 901]


SILENT = (Stream("probe-a"), Stream("probe-b", silent=True, age_ms=3_200.0))


def test_a_probe_that_died_is_named_while_the_others_go_on(shown: Shown) -> None:
    message = "going on without probe-b: the counts of its units are missing"
    shown.give(known.healthy(streams=SILENT, message=message), known.spikes([], [], START_US + S))
    assert shown.window.banner.text() == f"⚠ {message}"
    assert DARK.warn in shown.window.banner.styleSheet()
    assert not shown.window.frame.property("bad")
    health = shown.window.panels["health"]
    assert "▲ probe-b silent for 3.2 s" in health.more.text()
    assert "probe-a ●" in health.more.text()
    assert DARK.bad in colours(health.more)
    assert "▲ silent: probe-b" in shown.window.panels["raster"].note.text()
    shown.give(known.healthy(streams=SILENT[:1]), known.spikes([], [], START_US + 2 * S))
    assert "⚠" not in shown.window.banner.text()
    assert not health.more.isVisible()
    assert "silent" not in shown.window.panels["raster"].note.text()


def test_no_line_of_the_health_panel_is_squeezed(shown: Shown) -> None:
    shown.window.resize(1200, 900)
    names = [f"rtdecode-spikes-probe{letter}" for letter in "ABC"]
    streams = tuple(Stream(name, numbers={"lost": 0.0}) for name in names)
    health = shown.window.panels["health"]
    shown.give(known.healthy(), known.spikes([], [], START_US + S))
    assert health.plot.isVisible()
    shown.give(known.healthy(streams=streams, record="recording"))
    labels = [*health.values.values(), health.state_label]
    assert all(label.height() >= label.sizeHint().height() for label in labels)
    assert health.more.height() >= health.more.heightForWidth(health.more.width())
    assert not health.plot.isVisible()
    shown.give(known.healthy())
    assert health.plot.isVisible()


def test_a_decoder_that_waits_for_a_dead_probe_is_stale_and_names_it(shown: Shown) -> None:
    message = "no spikes or watermarks from probe-b"
    shown.give(
        known.healthy("STALE", streams=SILENT, message=message),
        known.spikes([], [], START_US + S),
    )
    assert shown.window.frame.property("bad")
    assert message in shown.window.banner.text()


REPORT = {
    "state": "DECODING",
    "windows": 9,
    "windows_skipped": 2,
    "windows_faulted": 1,
    "spikes": {"on_time": 5},
    "streams": [{"name": "a", "silent": False, "data_age_ms": 1.5, "clock_offset_ms": 0.25}],
    "record": {"file": "run.nwb", "state": "failed", "message": "the disk is full"},
    "clock_offset_us": 12.5,
    "clocks": [{"stream": s, "host": "stim-pc", "offset_ms": -0.125, "steps": 2} for s in "ab"],
    "is_new": True,
    "latency_ms": {"infer": {"p50": 0.3}},
}


def test_numbers_that_nobody_foresaw_are_shown_as_they_are_named(shown: Shown) -> None:
    health = Health.from_json(json.dumps(REPORT))
    assert health.extras == {"clock_offset_us": 12.5}
    assert health.streams == (Stream("a", False, 1.5, {"clock_offset_ms": 0.25}),)
    shown.give(Batch(healths=[health], heard={"health"}), known.spikes([], [], START_US))
    panel = shown.window.panels["health"]
    assert "clock offset us 12.5" in panel.more.text()
    assert "record failed: the disk is full" in panel.more.text()
    assert panel.more.text().count("clock of stim-pc offset ms -0.125 steps 2") == 1
    assert panel.values["windows"].text() == "9, 2 skipped, 1 faulted"


def test_a_bridge_tells_its_clocks(shown: Shown) -> None:
    said = {
        "state": "RECEIVING",
        "message": "no spikes from <B>",
        "late": 3,
        "messages": {"spikes": 7},
        "streams": [{"name": "A", "drift_ppm": 12.25, "residual_ms": 0.04}],
    }
    bridge = Bridge.from_json(json.dumps(said))
    shown.give(Batch(bridge=bridge), known.healthy(), known.spikes([], [], START_US))
    text = shown.window.panels["health"].more.text()
    assert text == "bridge RECEIVING: late 3, A drift ppm 12.25 residual ms 0.04"
    assert shown.window.banner.text() == "⚠ no spikes from <B>"
    for wrong in ("[]", "{}", '{"state": "x", "streams": [1]}', '{"state": "x", "streams": [{}]}'):
        with pytest.raises(MalformedError):
            Bridge.from_json(wrong)


def test_a_report_that_counts_nothing_leaves_the_counts_as_they_were(shown: Shown) -> None:
    shown.give(known.healthy(spikes={"on_time": 77}), known.spikes([], [], START_US))
    stuck = Health.from_json('{"state": "FAULTED", "message": "stuck"}')
    shown.give(Batch(healths=[stuck], heard={"health"}))
    assert shown.window.panels["health"].values["on_time"].text() == "77"

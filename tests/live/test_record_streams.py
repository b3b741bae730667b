"""What other recorders are told of our streams: as LabRecorder writes it and pyxdf reads it."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from rtdecode import __version__, streams
from rtdecode.session import Units

UNITS = Units(
    np.array([4, 7]), np.array(["VISp", ""]), np.array([10.0, np.nan]), np.array(["a", ""])
)
OUTLETS = {
    "spikes": (lambda: streams.SpikeOutlet(UNITS, "x-spikes"), ["unit_id", "sequence"]),
    "text": (lambda: streams.TextOutlet("x-decisions"), ["x-decisions"]),
    "posterior": (
        lambda: streams.PosteriorOutlet(["0", "a & <b>"], {"task": "t"}, "x-posterior"),
        ["0", "a & <b>"],
    ),
}


@pytest.mark.parametrize("kind", OUTLETS)
def test_channels_and_maker_stand_where_they_are_looked_for(kind):
    make, labels = OUTLETS[kind]
    outlet = make()
    head = ET.fromstring(outlet._outlet.get_info().as_xml())
    assert float(head.findtext("nominal_srate")) == 0
    assert int(head.findtext("channel_count")) == len(labels)
    assert head.findtext("source_id")
    channels = head.findall("desc/channels/channel")
    assert [channel.findtext("label") for channel in channels] == labels
    assert {channel.findtext("type") for channel in channels} == {head.findtext("type")}
    assert all(channel.findtext("unit") for channel in channels)
    assert head.findtext("desc/acquisition/manufacturer") == "rtdecode"
    assert head.findtext("desc/acquisition/version") == __version__


def test_the_unit_table_is_there_beside_the_channels():
    outlet = streams.SpikeOutlet(UNITS, "x-spikes")
    head = ET.fromstring(outlet._outlet.get_info().as_xml())
    units = head.findall("desc/units/unit")
    assert [unit.findtext("id") for unit in units] == ["4", "7"]
    assert [unit.findtext("area") or "" for unit in units] == ["VISp", ""]

"""Markers: text from any source becomes a kind, a label and, from a replay, session time."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtdecode.markers import END_MARKER, Kind, Marker, MarkerMap, encode_presentation, read_marker
from rtdecode.tasks import label_rule

RULE = label_rule("drifting_gratings.orientation")
CLASSES = frozenset({"0", "0.04", "90", "up"})


def read(text):
    return read_marker(text, RULE, CLASSES)


def told(**fields):
    """A marker of the task's table as JSON."""
    return json.dumps({"stimulus_name": "drifting_gratings", **fields})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90", Marker(Kind.USED, "90")),
        ("  up\n", Marker(Kind.USED, "up")),
        ("45", Marker(Kind.UNMAPPED)),
        ("trial start", Marker(Kind.UNMAPPED)),
        ("", Marker(Kind.MALFORMED)),
        (" \t", Marker(Kind.MALFORMED)),
        ("{", Marker(Kind.MALFORMED)),
        ("{}", Marker(Kind.MALFORMED)),
        ('{"a": ' + "[" * 100_000, Marker(Kind.MALFORMED)),
        ('{"label": "90"}', Marker(Kind.USED, "90")),
        ('{"label": 0.04, "session_us": 7}', Marker(Kind.USED, "0.04", 7)),
        ('{"label": null}', Marker(Kind.MALFORMED)),
        (json.dumps(END_MARKER), Marker(Kind.END)),
        (told(orientation=90.0, session_us=5), Marker(Kind.USED, "90", 5)),
        (told(orientation="90"), Marker(Kind.USED, "90")),
        (told(orientation=-0.0), Marker(Kind.USED, "0")),
        (told(orientation=45.0, session_us=5), Marker(Kind.UNMAPPED, "", 5)),
        (told(orientation=90.0, session_us="5"), Marker(Kind.USED, "90")),
        (told(orientation=90.0, session_us=True), Marker(Kind.USED, "90")),
        (told(orientation=90.0, session_us=10**30), Marker(Kind.USED, "90")),
        (told(orientation=10**400), Marker(Kind.UNMAPPED)),
        (told(orientation=None), Marker(Kind.OTHER)),
        (told(orientation=math.nan), Marker(Kind.OTHER)),
        (told(), Marker(Kind.OTHER)),
        ('{"stimulus_name": "drifting_gratings_presentations", "orientation": 90}',
         Marker(Kind.USED, "90")),
        ('{"stimulus_name": "natural_scenes", "frame": 3}', Marker(Kind.OTHER)),
        ('{"stimulus_name": 3, "orientation": 90}', Marker(Kind.MALFORMED)),
    ],
)  # fmt: skip
def test_every_form_of_marker(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90.0", Marker(Kind.USED, "90")),
        ("9e1", Marker(Kind.USED, "90")),
        ("-0.0", Marker(Kind.USED, "0")),
        (".04", Marker(Kind.USED, "0.04")),
        ("nan", Marker(Kind.UNMAPPED)),
        ("label=90", Marker(Kind.USED, "90")),
        ("label = 90.0; trial = 3", Marker(Kind.USED, "90")),
        ('trial=3,label="up"', Marker(Kind.USED, "up")),
        ("orientation=90.0 contrast=0.8", Marker(Kind.USED, "90")),
        ("stimulus_name=drifting_gratings, orientation=90", Marker(Kind.USED, "90")),
        ("stimulus_name=natural_scenes, frame=90", Marker(Kind.OTHER)),
        ("orientation=45", Marker(Kind.UNMAPPED)),
        ("trial=3", Marker(Kind.UNMAPPED)),
        ("a=b=c", Marker(Kind.UNMAPPED)),
        ("=", Marker(Kind.UNMAPPED)),
        ('{"orientation": 90.0, "trial": 3}', Marker(Kind.USED, "90")),
        ('{"trial": 3}', Marker(Kind.UNMAPPED)),
        ('{"label": "90.0"}', Marker(Kind.USED, "90")),
    ],
)  # fmt: skip
def test_what_stimulus_programs_send_as_it_comes(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("grating_up", Marker(Kind.USED, "90")),
        ("90", Marker(Kind.USED, "90")),
        ("trial start", Marker(Kind.OTHER)),
        ("grating_left", Marker(Kind.UNMAPPED)),
        ("elsewhere", Marker(Kind.UNMAPPED)),
        ('{"condition": "grating_up", "label": "0"}', Marker(Kind.USED, "90")),
        ('{"condition": 3, "session_us": 7}', Marker(Kind.USED, "0.04", 7)),
        ("condition=3; trial=1", Marker(Kind.USED, "0.04")),
        ("condition=grating_up", Marker(Kind.USED, "90")),
        ('{"label": "grating_up"}', Marker(Kind.USED, "90")),
        (told(orientation="grating_up"), Marker(Kind.USED, "90")),
        (told(orientation=90.0), Marker(Kind.USED, "90")),
        (json.dumps(END_MARKER), Marker(Kind.END)),
    ],
)  # fmt: skip
def test_the_rigs_own_words_are_mapped(text, expected):
    labels = {"grating_up": "90", "3": "0.04", "grating_left": "270", "trial start": ""}
    assert read_marker(text, RULE, CLASSES, MarkerMap("condition", labels)) == expected


def test_long_text_is_understood_at_once():
    assert read("a=b " * 50_000).kind is Kind.UNMAPPED
    assert read("a=" + " " * 1900).kind is Kind.UNMAPPED
    assert read("a = " * 480).kind is Kind.UNMAPPED


values = st.one_of(st.none(), st.floats(), st.text(max_size=8), st.sampled_from([0.0, 0.04, 90.0]))


@given(values, st.integers(0, 2**50))
def test_a_replays_marker_gets_the_label_of_its_row(value, session_us):
    fields = encode_presentation("drifting_gratings", {"orientation": value}, session_us)
    marker = read(json.dumps(fields))
    label = RULE.label_of("drifting_gratings", {"orientation": value})
    if label is None:
        assert marker.kind is Kind.OTHER
    else:
        assert marker.session_us == session_us
        assert (marker.kind, marker.label) == (
            (Kind.USED, label) if label in CLASSES else (Kind.UNMAPPED, "")
        )


anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
keys = st.sampled_from(["stimulus_name", "orientation", "label", "session_us", "rtdecode"])


@given(st.one_of(st.text(), st.dictionaries(keys, anything).map(json.dumps)))
def test_no_text_stops_the_decoder(text):
    marker = read(text)
    assert (marker.kind is Kind.USED) == (marker.label in CLASSES)
    assert marker.session_us is None or abs(marker.session_us) < 2**62

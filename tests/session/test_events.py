"""A lab's events table."""

import numpy as np
import pytest

from rtdecode.errors import UserError
from rtdecode.session import read_events


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.csv"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_events_in_order_of_onset(path, delimiter, encoding):
    rows = ["onset,label,duration,Block", "2.5,right,0.25,1", "1.0,left,,0", "", "3,left,1,1"]
    path.write_text("\n".join(rows).replace(",", delimiter), encoding=encoding)
    events = read_events(path)
    assert events.name == "events"
    assert events.start_us.tolist() == [1000000, 2500000, 3000000]
    assert events.stop_us.tolist() == [1000000, 2750000, 4000000]
    assert events.columns["label"].tolist() == ["left", "right", "left"]
    assert events.columns["block"].tolist() == [0, 1, 1]


def test_quoted_labels_and_numbers(path):
    path.write_text('onset,label\n0.1,"left, slow"\n0.2,"right"\n')
    assert read_events(path).columns["label"].tolist() == ["left, slow", "right"]
    path.write_text("onset,label\n0.1,90\n0.2,45.0\n")
    np.testing.assert_array_equal(read_events(path).columns["label"], [90.0, 45.0])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found none"),
        ("time,label\n1,a\n", "found time, label"),
        ("onset,onset,label\n1,1,a\n", "distinct column names"),
        ("onset,label\n", "no rows"),
        ("onset,label\n1,a\nx,b\n", "line 3 .* found 'x'"),
        ("onset,label\n1,a\n\nnan,b\n", "line 4 .* found 'nan'"),
        ("onset,label\n1,a,2\n", "expected 2 values in line 2"),
        ("onset,label,duration\n1,a,-1\n", "line 2 .* found -1"),
        ("onset,label,duration\n1,a,long\n", "line 2 .* found 'long'"),
        ("onset,label\n1e300,a\n", "found 1e.300"),
        (b"onset,label\n1,\xff\xfe\n", "cannot read events"),
    ],
)
def test_wrong_tables(path, text, said):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=said) as caught:
        read_events(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_file(path):
    with pytest.raises(UserError, match="cannot read events"):
        read_events(path)

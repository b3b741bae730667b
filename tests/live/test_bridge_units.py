"""The bridge's table of unit ids: they stay, and those of two probes differ."""

import json

import pytest

from rtdecode.bridge.unit_ids import UnitIds
from rtdecode.errors import UserError


def test_unit_ids_stay_from_run_to_run(tmp_path):
    path = tmp_path / "units.json"
    first = UnitIds(path)
    keys = [("A", "e 1", 1), ("A", "e 1", 2), ("B", "e 1", 1)]
    assert [first.id_of(key) for key in keys] == [1, 2, 3]
    first.save()
    again = UnitIds(path)
    assert again.id_of(("B", "e 2", 1)) == 4
    assert [again.id_of(key) for key in reversed(keys)] == [3, 2, 1]
    assert again.units().probes.tolist() == ["A", "A", "B", "B"]


def test_two_tables_of_two_probes_have_ids_that_differ(tmp_path):
    first, second = UnitIds(tmp_path / "a.json"), UnitIds(tmp_path / "b.json", 10_001)
    assert [first.id_of(("A", "e 1", unit)) for unit in (1, 2)] == [1, 2]
    assert [second.id_of(("B", "e 1", unit)) for unit in (1, 2)] == [10_001, 10_002]
    second.save()
    assert UnitIds(tmp_path / "b.json", 10_001).id_of(("B", "e 1", 3)) == 10_003


def test_of_a_table_of_all_probes_one_probes_units_are_told():
    ids = UnitIds(None)
    for probe, unit in [("A", 1), ("B", 1), ("A", 2)]:
        ids.id_of((probe, "e 1", unit))
    assert ids.units("A").ids.tolist() == [1, 3]
    assert ids.units("B").probes.tolist() == ["B"]
    assert ids.units().ids.tolist() == [1, 2, 3]


def table_of(*rows):
    keys = {"stream": "", "electrode": "", "sorted_id": 1}
    return json.dumps({"format": "rtdecode-units-1", "units": [keys | row for row in rows]})


@pytest.mark.parametrize("text", ["", "{}", '{"format": "other", "units": []}', "[1]",
    "[" * 100_000, '{"format": "rtdecode-units-1", "units": [{"id": 1}]}',
    table_of({"id": -1}), table_of({"id": 2**31}), table_of({"id": 1}, {"id": 2}),
    table_of({"id": 1}, {"id": 1, "sorted_id": 2}), table_of({"id": "one"}),
    table_of({"id": float("inf")}), table_of({"id": 1, "sorted_id": "two"}),
])  # fmt: skip
def test_a_file_that_is_no_table_is_refused_and_left_alone(tmp_path, text):
    path = tmp_path / "mine.json"
    path.write_text(text)
    with pytest.raises(UserError, match="expected") as caught:
        UnitIds(path)
    assert "\n" not in str(caught.value)
    assert path.read_text() == text

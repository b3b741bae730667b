"""The page's tables are what the figures say, in their places."""

import json
import re

import pytest

from benchmarks.page import PAGE, TABLES, bench_page, text_of
from rtdecode.errors import UserError

MACHINE = {
    "processor": "CPU", "cores": 2, "load_1min": 0.1, "date": "2026-01-02T03:04:05+00:00",
    "versions": {"python": "3.11", "torch": "2.13", "liblsl": "1.18"},
}  # fmt: skip
STATIC = {
    "rows": [{"name": "ours", "n": 1200, "us_per_window": 7.261, "ratio": 1, "equal": True}],
    "machine": MACHINE,
}


def test_every_table_has_one_place_in_the_page(repo):
    places = re.findall(r"<!-- table ([a-z-]+) -->\n", (repo / PAGE).read_text(encoding="utf-8"))
    assert sorted(places) == sorted(TABLES)


def test_no_table_of_the_page_is_empty(repo):
    text = (repo / PAGE).read_text(encoding="utf-8")
    for place in re.findall(r"<!-- table [a-z-]+ -->\n(.*?)<!-- end -->", text, re.DOTALL):
        assert place.count("\n| ") >= 2


def test_a_table_is_written_in_its_place_and_again(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- table kernels -->\nold\n<!-- end -->\nafter\n")
    (tmp_path / "kernels.json").write_text(json.dumps(STATIC))
    bench_page(tmp_path, page)
    text = page.read_text()
    assert "old" not in text
    assert "| ours | 1,200 | 7.26 | 1 | yes |" in text
    assert "CPU, 2 cores, load 0.1 at the start" in text
    assert text.startswith("before\n")
    assert text.endswith("<!-- end -->\nafter\n")
    bench_page(tmp_path, page)
    assert page.read_text() == text


def test_a_page_without_the_place_and_a_folder_without_figures_are_told(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing here\n")
    with pytest.raises(UserError, match=r"expected figures as NAME\.json"):
        bench_page(tmp_path, page)
    (tmp_path / "kernels.json").write_text(json.dumps(STATIC))
    with pytest.raises(UserError, match="place for the table kernels"):
        bench_page(tmp_path, page)
    assert page.read_text() == "nothing here\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "yes"), (12_345, "12,345"), (0.12345, "0.123"), (3333.3, "3,333"), (None, "")],
)
def test_values_are_short(value, text):
    assert text_of(value) == text

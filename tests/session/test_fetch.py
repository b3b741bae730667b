"""Fetching through AllenSDK from a warehouse of our own on the loopback."""

import http.server
import json
import re
import socket
import threading
import time
import urllib.parse
import warnings

import pytest

from offline import download as download_module
from offline.download import download
from rtdecode.errors import UserError

from .nwb_files import make_nwb, spikes

pytest.importorskip("allensdk", reason="AllenSDK is not installed: pip install 'rtdecode[allen]'")

with warnings.catch_warnings():
    # What AllenSDK imports warns of its own age.
    warnings.simplefilter("ignore")
    from allensdk.brain_observatory.ecephys import ecephys_project_cache  # noqa: F401

from offline import fetch
from offline.fetch import run_fetch, session_path

pytestmark = pytest.mark.filterwarnings("ignore")

BO, FC = "brain_observatory_1.1", "functional_connectivity"
SESSIONS = {715093703: BO, 719161530: BO, 766640955: FC}


class Warehouse(http.server.BaseHTTPRequestHandler):
    """Answers RMA queries and sends files, as api.brain-map.org does."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Range")))
        query = urllib.parse.unquote(self.path)
        if "WellKnownFile" in query:
            wanted = re.search(r"attachable_id\$eq(\d+)", query).group(1)
            self.answer([{"id": 1, "download_link": f"/files/{wanted}"}])
        elif "EcephysSession" in query:
            self.answer([record(*item) for item in SESSIONS.items()])
        elif self.path.lstrip("/").startswith("files/"):
            self.send_part(self.server.files[int(self.path.rpartition("/")[2])])
        else:
            self.send(404, b"")

    def answer(self, records):
        body = {"success": True, "num_rows": len(records), "total_rows": len(records)}
        self.send(200, json.dumps(body | {"start_row": 0, "msg": records}).encode())

    def send_part(self, data):
        span = self.headers.get("Range")
        first = int(re.fullmatch(r"bytes=(\d+)-", span).group(1)) if span else 0
        if self.server.ignores_ranges:
            span, first = None, 0
        if span and first >= len(data):
            self.send(416, b"", {"Content-Range": f"bytes */{len(data)}"})
            return
        where = f"bytes {first}-{len(data) - 1}/{len(data)}"
        self.send(206 if span else 200, data[first:], {"Content-Range": where} if span else {})

    def send(self, status, body, headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        most = self.server.breaks_after
        if self.path.lstrip("/").startswith("files/") and most is not None and len(body) > most:
            self.wfile.write(body[:most])
            self.close_connection = True
        else:
            self.wfile.write(body)

    def log_message(self, *_):
        pass


def record(session_id, kind):
    donor = {"age": {"days": 118.0}, "sex": "M", "full_genotype": None}
    files = [{"well_known_file_type": {"name": "EcephysNwb"}}]
    return {
        "id": session_id,
        "stimulus_name": kind,
        "fail_eye_tracking": False,
        "specimen": {"donor": donor},
        "well_known_files": files,
    }


@pytest.fixture
def warehouse(tmp_path, monkeypatch):
    monkeypatch.setattr(download_module, "PAUSE_S", 0.0)
    monkeypatch.setattr(download_module, "CHUNK", 1000)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Warehouse)
    server.asked, server.breaks_after, server.ignores_ranges = [], None, False
    server.files = {
        session_id: make_nwb(
            tmp_path / "source.nwb", spikes([0.1, 0.2]), identifier=str(session_id)
        ).read_bytes()
        for session_id in SESSIONS
    }
    server.host = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def ranges(warehouse):
    """Ranges that were asked for of files, without the question for the size."""
    asked = [span for path, span in warehouse.asked if path.lstrip("/").startswith("files/")]
    return asked[1:]


def test_list(warehouse, tmp_path, capsys):
    run_fetch([], tmp_path / "out", show_list=True, host=warehouse.host)
    shown = capsys.readouterr().out
    assert "3 sessions" in shown
    assert re.search(rf"715093703 .*{BO} .*wt .*M .*118", shown)
    assert not (tmp_path / "out").exists()


def test_fetch_some(warehouse, tmp_path, capsys):
    out = tmp_path / "out"
    run_fetch([766640955, 715093703], out, host=warehouse.host)
    for session_id in (766640955, 715093703):
        assert session_path(out, session_id).read_bytes() == warehouse.files[session_id]
    assert len(list(out.iterdir())) == 2
    assert "2 sessions, 0.00 GB in all" in capsys.readouterr().out


def test_fetch_all_of_a_type_prints_the_size_first(warehouse, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fetch, "GB", 1.0)
    shown = []

    def look(*arguments, **options):
        shown.append(capsys.readouterr().out)

    monkeypatch.setattr(fetch, "fetch_one", look)
    run_fetch([], tmp_path, all_of=BO, host=warehouse.host)
    total = sum(len(warehouse.files[i]) for i, kind in SESSIONS.items() if kind == BO)
    assert shown[0] == f"2 sessions, {total:.2f} GB in all\n"
    assert len(shown) == 2


def test_a_session_that_is_there_is_left_alone_and_needs_no_network(tmp_path):
    path = session_path(tmp_path, 715093703)
    path.write_text("mine")
    run_fetch([715093703], tmp_path, host="127.0.0.1:1")
    assert path.read_text() == "mine"


def test_a_broken_connection_goes_on_where_it_was(warehouse, tmp_path):
    warehouse.breaks_after = 1500
    run_fetch([715093703], tmp_path, host=warehouse.host)
    data = warehouse.files[715093703]
    assert session_path(tmp_path, 715093703).read_bytes() == data
    asked = ranges(warehouse)
    assert asked[0] is None
    assert asked[1:] == [f"bytes={n}-" for n in range(1500, len(data), 1500)]


def test_a_later_run_goes_on_from_the_part(warehouse, tmp_path):
    data = warehouse.files[715093703]
    part = tmp_path / "session_715093703.nwb.part"
    part.write_bytes(data[:2000])
    run_fetch([715093703], tmp_path, host=warehouse.host)
    assert session_path(tmp_path, 715093703).read_bytes() == data
    assert ranges(warehouse) == ["bytes=2000-"]
    assert not part.exists()


def test_a_whole_part_is_only_checked(warehouse, tmp_path):
    data = warehouse.files[715093703]
    (tmp_path / "session_715093703.nwb.part").write_bytes(data)
    run_fetch([715093703], tmp_path, host=warehouse.host)
    assert session_path(tmp_path, 715093703).read_bytes() == data


def test_a_part_that_is_too_long_starts_anew(warehouse, tmp_path):
    data = warehouse.files[715093703]
    (tmp_path / "session_715093703.nwb.part").write_bytes(data + b"more")
    run_fetch([715093703], tmp_path, host=warehouse.host)
    assert session_path(tmp_path, 715093703).read_bytes() == data


def test_a_server_without_ranges_starts_anew(warehouse, tmp_path):
    warehouse.ignores_ranges = True
    (tmp_path / "session_715093703.nwb.part").write_bytes(b"x" * 2000)
    run_fetch([715093703], tmp_path, host=warehouse.host)
    assert session_path(tmp_path, 715093703).read_bytes() == warehouse.files[715093703]


def test_a_server_that_never_sends_more_is_given_up(warehouse, tmp_path):
    warehouse.breaks_after = 0
    with pytest.raises(UserError, match="stopped after 0 bytes"):
        run_fetch([715093703], tmp_path, host=warehouse.host)
    assert not session_path(tmp_path, 715093703).exists()
    assert len(ranges(warehouse)) == download_module.MOST_TRIES


@pytest.mark.parametrize("wrong", ["cut", "other", "html"])
def test_what_is_no_session_never_gets_the_name(warehouse, tmp_path, wrong):
    data = warehouse.files[715093703]
    warehouse.files[715093703] = {
        "cut": data[:-500],
        "other": warehouse.files[719161530],
        "html": b"<html>maintenance</html>",
    }[wrong]
    with pytest.raises(UserError):
        run_fetch([715093703], tmp_path, host=warehouse.host)
    assert list(tmp_path.glob("session_*")) == []


def test_stopped_by_hand(warehouse, tmp_path, monkeypatch):
    def stop(_have, _total):
        raise KeyboardInterrupt

    part = tmp_path / "session.part"
    with pytest.raises(KeyboardInterrupt):
        download(f"http://{warehouse.host}/files/715093703", part, stop)
    assert part.read_bytes() == warehouse.files[715093703][:1000]


def test_unknown_sessions_and_types(warehouse, tmp_path):
    with pytest.raises(UserError, match="no session 5, 6"):
        run_fetch([5, 715093703, 6], tmp_path, host=warehouse.host)
    with pytest.raises(UserError, match=f"it has {BO}, {FC}"):
        run_fetch([], tmp_path, all_of="scenes", host=warehouse.host)
    with pytest.raises(UserError, match="say what to fetch"):
        run_fetch([], tmp_path, host=warehouse.host)


def test_no_room(warehouse, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "size_of", lambda url: 10**15)
    with pytest.raises(UserError, match=r"expected 1000000\.00 GB of room"):
        run_fetch([715093703], tmp_path, host=warehouse.host)


def test_no_network():
    with pytest.raises(UserError, match=r"cannot reach 127\.0\.0\.1:1 "):
        run_fetch([], "none", show_list=True, host="127.0.0.1:1")


def test_a_silent_host_is_given_up(monkeypatch):
    monkeypatch.setattr(fetch, "PROBE_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        before = time.monotonic()
        with pytest.raises(UserError, match=f"cannot reach {host}"):
            run_fetch([], "none", show_list=True, host=host)
        assert time.monotonic() - before < 100 * fetch.PROBE_S


def test_a_warehouse_that_talks_nonsense(warehouse, tmp_path, monkeypatch):
    monkeypatch.setattr(Warehouse, "answer", lambda self, _records: self.send(200, b"<html>"))
    with pytest.raises(UserError, match="did not tell the list of sessions"):
        run_fetch([715093703], tmp_path, host=warehouse.host)

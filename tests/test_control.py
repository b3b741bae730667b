"""The control channel: its user gets through, nobody else does."""

import json
import multiprocessing
import os
import re
import socket
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from rtdecode import control
from rtdecode.control_server import ControlServer
from rtdecode.errors import UserError

PATIENCE_S = 30.0
REFUSED = 7


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """A folder of doors of this test alone."""
    path = tmp_path / "doors"
    monkeypatch.setenv(control.FOLDER_VARIABLE, str(path))
    return path


class Loop:
    """Stands where a decoder's loop stands: takes requests and answers them."""

    def __init__(self, name, answers=True):
        self.taken, self.at_once = [], []
        self.server = ControlServer(name, self.at_once.append)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        if answers:
            self._thread.start()

    def _run(self):
        while not self._stopping.wait(0.005):
            if (request := self.server.take()) is not None:
                self.taken.append((request.command, dict(request.arguments)))
                if request.command == "refuse":
                    request.answer(error="expected another command: give one")
                else:
                    request.answer(mode="armed")

    def close(self):
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self.server.close()


@pytest.fixture
def loop():
    """A decoder's end named 'rig'."""
    found = Loop("rig")
    yield found
    found.close()


@pytest.fixture
def call():
    """Opens lines to a decoder, past its greeting: line, its words, nonce, secret."""
    with ExitStack() as stack:

        def dial(loop):
            door = json.loads((control.folder() / f"{loop.server.name}.json").read_text())
            line = stack.enter_context(socket.create_connection((control.HOST, door["port"]), 5))
            line.settimeout(PATIENCE_S)
            lines = stack.enter_context(line.makefile("rb"))
            return line, lines, control.read_json(lines)["nonce"], bytes.fromhex(door["secret"])

        yield dial


def test_a_request_is_taken_and_answered(loop):
    assert control.decoders() == ["rig"]
    assert control.send("rig", "arm") == {"mode": "armed"}
    assert control.send("", "swap", bundle="new.pt") == {"mode": "armed"}
    assert loop.taken == [("arm", {}), ("swap", {"bundle": "new.pt"})]
    assert [request.command for request in loop.at_once] == ["arm", "swap"]


def test_a_refusal_is_an_error_of_one_line(loop):
    with pytest.raises(UserError, match="expected another command"):
        control.send("rig", "refuse")


def test_what_is_refused_before_the_loop_never_reaches_it(loop):
    def refuse(request):
        raise UserError("expected a bundle, found none")

    loop.server._at_once = refuse
    with pytest.raises(UserError, match="expected a bundle, found none"):
        control.send("rig", "swap")
    assert loop.taken == []


def test_a_disarm_needs_no_loop():
    loop = Loop("stuck", answers=False)
    loop.server._at_once = lambda request: request.answer(mode="disarmed")
    assert control.send("stuck", "disarm", timeout_s=PATIENCE_S) == {"mode": "disarmed"}
    loop.close()


def test_who_asks_a_decoder_that_stops_is_told():
    loop = Loop("stopping", answers=False)
    said = []

    def ask():
        try:
            control.send("stopping", "arm", timeout_s=PATIENCE_S)
        except UserError as error:
            said.append(str(error))

    asking = threading.Thread(target=ask)
    asking.start()
    while loop.server._requests.empty():
        time.sleep(0.005)
    loop.close()
    asking.join()
    assert said == ["the decoder has stopped"]


def test_a_decoder_that_never_answers_is_an_error():
    loop = Loop("stuck", answers=False)
    with pytest.raises(UserError, match=r"'arm' within 0\.3 s"):
        control.send("stuck", "arm", timeout_s=0.3)
    loop.close()


@pytest.mark.parametrize("wrong", ["secret", "nonce", "side", "text", "no mac", "no json", "list"])
def test_without_the_secret_nothing_is_taken(loop, call, wrong):
    line, lines, nonce, secret = call(loop)
    body = {"command": "arm", "arguments": {}, "nonce": "00"}
    message = {
        "secret": lambda: control.sealed(bytes(32), control.CLIENT, nonce, body),
        "nonce": lambda: control.sealed(secret, control.CLIENT, "00" * 32, body),
        "side": lambda: control.sealed(secret, control.SERVER, nonce, body),
        "text": lambda: control.sealed(secret, control.CLIENT, nonce, body).replace(b"arm", b"are"),
        "no mac": lambda: json.dumps({"body": json.dumps(body)}).encode() + b"\n",
        "no json": lambda: b"arm\n",
        "list": lambda: b"[1]\n",
    }[wrong]()
    line.sendall(message)
    assert "not the user" in control.read_json(lines)["error"]
    assert loop.taken == loop.at_once == []
    assert loop.server.refused == 1
    assert control.send("rig", "arm") == {"mode": "armed"}


def test_what_was_overheard_cannot_be_said_again(loop, call):
    line, lines, nonce, secret = call(loop)
    message = control.sealed(
        secret, control.CLIENT, nonce, {"command": "arm", "arguments": {}, "nonce": "00"}
    )
    line.sendall(message)
    assert control.opened(secret, control.SERVER, "00", control.read_json(lines)) is not None
    again, lines, _, _ = call(loop)
    again.sendall(message)
    assert "error" in control.read_json(lines)
    assert len(loop.taken) == 1


def test_an_impostor_on_the_port_is_found_out(loop):
    """Somebody who listens where a decoder did, and says yes to everything."""
    with socket.create_server((control.HOST, 0)) as listener:
        path = control.folder() / "rig.json"
        said = json.loads(path.read_text()) | {"port": listener.getsockname()[1]}
        path.write_text(json.dumps(said))

        def serve():
            line, _ = listener.accept()
            with line:
                line.sendall(b'{"nonce": "00"}\n')
                line.recv(1 << 16)
                line.sendall(control.sealed(bytes(32), control.SERVER, "00", {"mode": "armed"}))

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(UserError, match="does not know its secret"):
            control.send("rig", "arm")
        thread.join()


def test_callers_who_say_nothing_keep_nobody_out(loop, call):
    lines = [call(loop)[0] for _ in range(8)]
    assert control.send("rig", "arm", timeout_s=PATIENCE_S) == {"mode": "armed"}
    assert len(lines) == 8


def test_two_decoders_must_be_told_apart(loop):
    other = Loop("other")
    assert control.decoders() == ["other", "rig"]
    with pytest.raises(UserError, match="found other, rig: say which with --decoder"):
        control.send("", "disarm")
    assert control.send("other", "disarm") == {"mode": "armed"}
    with pytest.raises(UserError, match="runs already"):
        ControlServer("rig", lambda request: None)
    other.close()
    assert control.decoders() == ["rig"]


@pytest.mark.parametrize("name", ["", "../rig", "a/b", ".hidden", "x" * 65, "a b"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(UserError, match="name of letters"):
        ControlServer(name, lambda request: None)


def test_none_runs():
    with pytest.raises(UserError, match="found none: start one"):
        control.send("", "arm")
    with pytest.raises(UserError, match="'gone'"):
        control.send("gone", "arm")


def _listen_and_wait(ready):
    Loop("killed", answers=False)
    ready.set()
    time.sleep(600)


def test_a_killed_decoder_leaves_no_name_behind():
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    child = context.Process(target=_listen_and_wait, args=(ready,), daemon=True)
    child.start()
    assert ready.wait(PATIENCE_S)
    assert control.decoders() == ["killed"]
    child.kill()
    child.join()
    assert control.decoders() == []
    with pytest.raises(UserError):
        control.send("killed", "arm")
    again = Loop("killed")
    assert control.send("killed", "arm") == {"mode": "armed"}
    again.close()


@pytest.mark.skipif(sys.platform != "linux", reason="start times are kept as wall time there")
def test_a_wall_clock_that_is_set_shuts_nobody_out(loop, tmp_path, monkeypatch):
    """The kernel tells another time of boot, as after ten seconds' correction."""
    proc = tmp_path / "proc"
    proc.mkdir()
    (proc / str(os.getpid())).symlink_to(f"/proc/{os.getpid()}")
    told = Path("/proc/stat").read_text()
    before = re.search(r"btime (\d+)", told)
    (proc / "stat").write_text(told.replace(before[0], f"btime {int(before[1]) + 10}"))
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(proc))
    assert control.send("rig", "disarm") == {"mode": "armed"}
    with pytest.raises(UserError, match="runs already"):
        ControlServer("rig", lambda request: None)


posix = pytest.mark.skipif(sys.platform == "win32", reason="permissions are ACLs there")


@posix
def test_the_secret_is_for_its_user_alone(loop, own_folder):
    assert own_folder.stat().st_mode & 0o777 == 0o700
    assert (own_folder / "rig.json").stat().st_mode & 0o777 == 0o600


@posix
def test_a_folder_that_others_may_open_is_refused(own_folder):
    own_folder.mkdir(mode=0o755)
    own_folder.chmod(0o755)
    with pytest.raises(UserError, match="chmod 700"):
        control.folder()


@posix
def test_a_folder_that_is_a_link_is_refused(own_folder, tmp_path):
    real = tmp_path / "real"
    real.mkdir(mode=0o700)
    own_folder.symlink_to(real)
    with pytest.raises(UserError, match="you alone"):
        control.folder()


@posix
@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="needs a second user")
def test_another_user_cannot_arm(monkeypatch):
    """A process of another user that knows where the secret lies."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        monkeypatch.setenv(control.FOLDER_VARIABLE, str(Path(place, "doors")))
        loop = Loop("rig")
        context = multiprocessing.get_context("spawn")
        child = context.Process(target=_arm_as_a_stranger, args=(str(loop.server._path),))
        child.start()
        child.join(PATIENCE_S)
        assert child.exitcode == REFUSED
        assert loop.taken == []
        loop.close()


def _arm_as_a_stranger(door):
    os.setuid(65534)
    try:
        Path(door).read_text()
    except PermissionError:
        try:
            control.send("rig", "arm")
        except UserError:
            sys.exit(REFUSED)
    sys.exit(1)

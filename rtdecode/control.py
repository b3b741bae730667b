"""The local control channel: arm, disarm and the like, by the user who started the decoder alone.

A decoder listens on a port of 127.0.0.1. Where, and the secret that proves who
asks, stand in a file that only its user can read. Each side proves by HMAC of
the other's nonce that it knows the secret; the secret itself is never sent, and
a message that was overheard is worth nothing in the next conversation. One
question and one answer a connection, as lines of JSON.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import socket
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import psutil
from platformdirs import user_state_path

from rtdecode.errors import UserError
from rtdecode.process_birth import birth_of

VERSION = 1
HOST = "127.0.0.1"
LONGEST_LINE = 1 << 16
CONNECT_S = 2.0
FOLDER_VARIABLE = "RTDECODE_RUNTIME_DIR"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
CLIENT, SERVER = b"client", b"server"


def send(
    decoder: str, command: str, timeout_s: float = 10.0, **arguments: object
) -> dict[str, object]:
    """Ask a running decoder of this user for something and wait for its answer.

    Parameters
    ----------
    decoder : str
        Its name, as ``decoders`` and ``control`` in its posterior stream's
        description tell it; empty for the only one that runs.
    command : str
        ``arm``, ``sham``, ``disarm``, ``dry-run``, ``swap`` (with ``bundle``, a
        path) or ``status``.
    timeout_s : float
        How long the answer is waited for. It blocks: not for a thread that draws.
    **arguments
        What the command needs; JSON.

    Returns
    -------
    dict
        The answer: ``mode``, and what else the command tells.

    Raises
    ------
    UserError
        If there is no such decoder, it does not answer, or it refuses.
    """
    door = _door_of(decoder)
    try:
        with socket.create_connection((HOST, door.port), CONNECT_S) as line:
            line.settimeout(timeout_s)
            answer = _converse(line, door, {"command": command, "arguments": arguments})
    except OSError as error:
        raise UserError(
            f"expected decoder {door.name!r} to answer {command!r} within {timeout_s:g} s, found "
            f"{error}: see whether it still runs"
        ) from error
    if "error" in answer:
        raise UserError(str(answer["error"]))
    return answer


def decoders() -> list[str]:
    """Names of the decoders of this user that run on this machine."""
    return sorted(door.name for door in _doors())


@dataclass(frozen=True)
class Door:
    """Where a decoder listens, and the secret that opens it."""

    name: str
    port: int
    secret: bytes
    pid: int
    born: str

    def is_open(self) -> bool:
        """Whether the process that listens is still the one that wrote this."""
        try:
            return birth_of(self.pid) == self.born
        except psutil.Error:
            return False


def folder() -> Path:
    """The folder of this user's doors, made where it is missing.

    Raises
    ------
    UserError
        If it belongs to somebody else or others may look into it.
    """
    told = os.environ.get(FOLDER_VARIABLE)
    # By host: a home may be shared by several, and a port is of one.
    place = user_state_path("rtdecode", appauthor=False) / f"running on {socket.gethostname()}"
    path = Path(told) if told else place
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise UserError(
            f"expected a folder of your own at {path}, found {error}: "
            f"name another in {FOLDER_VARIABLE}"
        ) from error
    if not stat.S_ISDIR(found.st_mode) or not _is_private(found):
        raise UserError(
            f"expected {path} to be a folder that you alone can open, found another: "
            f"chmod 700 it, or name another in {FOLDER_VARIABLE}"
        )
    return path


def _is_private(found: os.stat_result) -> bool:
    """Whether a file is this user's and nobody else's; on Windows the profile folder sees to it."""
    if sys.platform == "win32":
        return True
    return found.st_uid == os.getuid() and not found.st_mode & 0o077


def write_door(name: str, port: int, secret: bytes) -> Path:
    """Tell this user's other processes where we listen.

    Raises
    ------
    UserError
        If a decoder of that name runs, or the name is none.
    """
    if not NAME.fullmatch(name):
        raise UserError(
            f"expected a decoder's name of letters, digits, dots and dashes (64 at most), "
            f"found {name!r}: choose another"
        )
    if name in decoders():
        raise UserError(f"a decoder named {name!r} runs already: stop it, or choose another name")
    path = folder() / f"{name}.json"
    path.unlink(missing_ok=True)  # of a decoder that was killed
    pid = os.getpid()
    said = {"port": port, "secret": secret.hex(), "pid": pid, "born": birth_of(pid)}
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(said, file)
    return path


def _doors() -> Iterator[Door]:
    for path in folder().glob("*.json"):
        door = _read_door(path)
        if door is not None and door.is_open():
            yield door


def _read_door(path: Path) -> Door | None:
    """A door; None where the file is gone, half written or not this user's."""
    try:
        if not _is_private(path.lstat()):
            return None
        said = json.loads(path.read_text())
        secret, port, pid = bytes.fromhex(said["secret"]), int(said["port"]), int(said["pid"])
        return Door(path.stem, port, secret, pid, str(said["born"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _door_of(decoder: str) -> Door:
    doors = {door.name: door for door in _doors()}
    if decoder in doors:
        return doors[decoder]
    running = ", ".join(sorted(doors)) or "none"
    if decoder:
        raise UserError(
            f"expected a decoder {decoder!r} that you started on this machine, found {running}: "
            "name one of those, or start it"
        )
    if len(doors) != 1:
        raise UserError(
            f"expected one decoder that you started on this machine, found {running}: "
            + ("say which with --decoder" if doors else "start one with rtdecode decode")
        )
    return next(iter(doors.values()))


def _converse(line: socket.socket, door: Door, request: Mapping[str, object]) -> dict[str, object]:
    with line.makefile("rb") as lines:
        greeting = read_json(lines)
        nonce, own = str(greeting.get("nonce", "")), secrets.token_hex(32)
        line.sendall(sealed(door.secret, CLIENT, nonce, {**request, "nonce": own}))
        answer = opened(door.secret, SERVER, own, read_json(lines))
    if answer is None:
        raise UserError(
            f"what answered for decoder {door.name!r} does not know its secret: "
            "stop the decoder and start it again"
        )
    return answer


def sealed(secret: bytes, side: bytes, nonce: str, values: Mapping[str, object]) -> bytes:
    """A message as a line: its text, and the proof that a holder of the secret wrote it now.

    Parameters
    ----------
    secret : bytes
    side : bytes
        Who speaks; one side's words cannot be sent back as the other's.
    nonce : str
        What the listener drew for this conversation alone.
    values : mapping
        JSON.
    """
    body = json.dumps(values)
    return json.dumps({"body": body, "mac": _mac(secret, side, nonce, body)}).encode() + b"\n"


def opened(
    secret: bytes, side: bytes, nonce: str, message: Mapping[str, Any]
) -> dict[str, object] | None:
    """What a sealed message says; None where the proof is missing or wrong."""
    body, mac = message.get("body"), message.get("mac")
    if not isinstance(body, str) or not isinstance(mac, str) or not mac.isascii():
        return None
    if not hmac.compare_digest(mac, _mac(secret, side, nonce, body)):
        return None
    values = json.loads(body)
    return values if isinstance(values, dict) else None


def _mac(secret: bytes, side: bytes, nonce: str, body: str) -> str:
    # A stranger's text may hold what no UTF-8 has; it is wrong, not an error.
    parts = (side, *(text.encode("utf-8", "surrogatepass") for text in (nonce, body)))
    content = b"\0".join(parts)
    return hmac.new(secret, content, hashlib.sha256).hexdigest()


def read_json(lines: BinaryIO) -> dict[str, Any]:
    """One line as a JSON object; empty where it is none.

    Raises
    ------
    OSError
        If the other side has hung up, or does not end its line.
    """
    line = lines.readline(LONGEST_LINE)
    if not line.endswith(b"\n"):
        raise ConnectionError("a conversation that ended too soon")
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}

"""A command in a process forked from one that has the imports behind it; used like ``Popen``."""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TextIO

CAN_FORK = hasattr(os, "pidfd_open")
REPO = Path(__file__).resolve().parents[2]


@functools.cache
def _server() -> socket.socket:
    """The server of this test process; it ends when this process does."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", "tests.live.fork_server", str(there.fileno())]
    server = subprocess.Popen(
        command, cwd=REPO, pass_fds=[there.fileno()], stdin=subprocess.DEVNULL
    )
    there.close()

    def end() -> None:
        here.close()
        server.wait()

    atexit.register(end)
    return here


class Forked:
    """An ``rtdecode`` command in a process of its own, its output kept.

    Attributes
    ----------
    pid : int
    stdout, stderr : text file
    returncode : int or None
    """

    def __init__(self, *arguments: object) -> None:
        pipes = [os.pipe() for _ in range(3)]
        request = {
            "arguments": [str(argument) for argument in arguments],
            "environment": dict(os.environ),
            "folder": str(Path.cwd()),
        }
        socket.send_fds(_server(), [json.dumps(request).encode()], [pipe[1] for pipe in pipes])
        self.pid = int(_server().recv(32))
        for _, written in pipes:
            os.close(written)
        self.stdout, self.stderr = (os.fdopen(pipe[0]) for pipe in pipes[:2])
        self._told = pipes[2][0]
        self.args, self.returncode = list(arguments), None

    def poll(self) -> int | None:
        """The exit code, if it has ended."""
        return self._look(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, when it has ended."""
        code = self._look(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return code

    def _look(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], timeout)[0]:
            self.returncode = int(os.read(self._told, 32))
            os.close(self._told)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Output and error, when it has ended."""
        read: dict[str, str] = {}
        readers = []
        for name in ("stdout", "stderr"):
            file = getattr(self, name)
            reader = threading.Thread(target=lambda f=file, n=name: read.update({n: _rest(f)}))
            reader.start()
            readers.append(reader)
        self.wait(timeout)
        for reader in readers:
            reader.join(timeout)
        return read.get("stdout", ""), read.get("stderr", "")

    def send_signal(self, number: int) -> None:
        """Send a signal; nothing to one that has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


def _rest(file: TextIO) -> str:
    """What is left to read; the file is closed."""
    if file.closed:
        return ""
    with file:
        return file.read()

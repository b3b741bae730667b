"""Forks processes that have imported torch and Numba already, which takes each of them seconds.

A decoder costs three seconds of a processor before it does anything, and the
tests start over a hundred. Where a system can wait for processes by descriptor
(Linux), one process a test run imports all that once, touches neither LSL nor
the model, and forks a child for every command, which runs it as a new
interpreter would, and ends as one.

Asked over a socket: a line of JSON, with it the child's standard output and
error and a pipe on which its exit code is told.
"""

from __future__ import annotations

import json
import os
import runpy
import selectors
import signal
import socket
import sys
from typing import NamedTuple

import rtdecode.live
import rtdecode.run  # noqa: F401

LONGEST = 1 << 16


class Request(NamedTuple):
    """A command to run: arguments, environment, folder, and where output and error go."""

    arguments: list[str]
    environment: dict[str, str]
    folder: str
    output: int
    error: int


def serve(asked: socket.socket) -> Request | None:
    """Fork for each request. Returns it in the child; None in the server, when nobody asks more."""
    ready = selectors.DefaultSelector()
    ready.register(asked, selectors.EVENT_READ)
    while True:
        for key, _ in ready.select():
            if key.fileobj is asked:
                said, descriptors, _, _ = socket.recv_fds(asked, LONGEST, 3)
                if not said:
                    return None
                output, error, told = descriptors
                request = Request(**json.loads(said), output=output, error=error)
                pid = os.fork()
                if pid == 0:
                    ready.close()
                    asked.close()
                    os.close(told)
                    return request
                asked.send(str(pid).encode())
                os.close(output)
                os.close(error)
                ready.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, told))
            else:
                pid, told = key.data
                _, status = os.waitpid(pid, 0)
                os.write(told, str(os.waitstatus_to_exitcode(status)).encode())
                os.close(told)
                ready.unregister(key.fileobj)
                os.close(key.fd)


def run(request: Request) -> None:
    """Be a new interpreter that runs the command."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for descriptor, place in ((os.open(os.devnull, os.O_RDONLY), 0), (request.output, 1)):
        os.dup2(descriptor, place)
    os.dup2(request.error, 2)
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)
    paths = request.environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[1:1] = [path for path in paths if path and path not in sys.path]
    sys.argv = ["rtdecode", *request.arguments]
    runpy.run_module("rtdecode.cli", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    # Ctrl-C is for the tests alone.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    here = socket.socket(fileno=int(sys.argv[1]))
    request = serve(here)
    if request is not None:
        run(request)

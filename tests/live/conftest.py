"""A simulated session, a decoder trained on its first part, and commands as processes."""

import subprocess
import sys
from pathlib import Path

import pytest

from offline.simulate import simulate
from offline.train import train_bundle
from rtdecode.session import read_session
from rtdecode.windows import WindowSpec
from tests.live.forked import CAN_FORK, Forked
from tests.live.go_bundle import write_go_bundle


@pytest.fixture(scope="session")
def session_file(tmp_path_factory) -> Path:
    """A small simulated mouse."""
    (path,) = simulate(tmp_path_factory.mktemp("session"), 1, 3, "small")
    return path


@pytest.fixture(scope="session")
def bundle(session_file, tmp_path_factory) -> Path:
    """An LDA of the gratings' orientation, 250 ms in ten bins."""
    path = tmp_path_factory.mktemp("bundle") / "decoder.pt"
    window = WindowSpec.parse("0:250:25")
    train_bundle(read_session(session_file), "static-gratings-orientation", "lda", window, path)
    return path


@pytest.fixture(scope="session")
def go_bundle(tmp_path_factory) -> Path:
    """A decoder that says go when one unit fires."""
    return write_go_bundle(tmp_path_factory.mktemp("go") / "go.pt")


# Commands that import torch.
WITH_TORCH = ("decode", "calibrate", "train", "transfer")


class Commands:
    """Starts ``rtdecode`` commands and leaves none behind."""

    def __init__(self):
        self.children = []

    def start(self, *arguments) -> subprocess.Popen | Forked:
        """A command in a process of its own, its output kept."""
        if CAN_FORK and arguments[0] in WITH_TORCH:
            self.children.append(Forked(*arguments))
            return self.children[-1]
        return self.start_python("-m", "rtdecode.cli", *arguments)

    def start_python(self, *arguments, stdin=None) -> subprocess.Popen:
        """A Python process with these arguments."""
        child = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.children.append(child)
        return child

    def call(self, *arguments) -> str:
        """Run a command to its end; what it said on standard output."""
        child = self.start(*arguments)
        told, said = child.communicate(timeout=100)
        assert child.returncode == 0, said
        return told.strip()

    def end(self) -> None:
        """Kill what still runs."""
        for child in self.children:
            child.kill()  # does nothing to one that has ended
            child.communicate()

    def run(self, *arguments, code=0) -> str:
        """Run a command to its end; what it said on standard error."""
        return finish(self.start(*arguments), code)


def finish(child: subprocess.Popen | Forked, code=0) -> str:
    """Wait for a process that should end with this code; its standard error."""
    _, said = child.communicate(timeout=100)
    assert child.returncode == code, said
    assert "Traceback" not in said, said
    return said


@pytest.fixture
def commands():
    """Commands as processes; what still runs at the end is killed."""
    started = Commands()
    yield started
    started.end()

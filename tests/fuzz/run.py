"""Feed every reader hostile input: ``python -m tests.fuzz.run --cases 10000``.

Each case is made from a seed, so what is found is found again by its number. A
reader may read it or refuse it with a ``UserError`` of one line; all else is
told: another error, a hang, a crash of the process, much memory, or a file that
was changed. Cases run in a child, so that one that kills it ends itself alone.
"""

import argparse
import faulthandler
import json
import random
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from rtdecode.errors import UserError

HANG_S = 20.0
MEMORY_BYTES = 3 << 30
TARGETS = {
    "damaged-session": "tests.fuzz.sessions:DamagedSession",
    "made-up-session": "tests.fuzz.sessions:MadeUpSession",
    "damaged-record": "tests.fuzz.sessions:DamagedRecord",
    "damaged-journal": "tests.fuzz.sessions:DamagedJournal",
    "bundle": "tests.fuzz.files:Bundle",
    "rig-file": "tests.fuzz.files:RigFile",
    "markers": "tests.fuzz.wire:Markers",
    "spike-rows": "tests.fuzz.wire:SpikeRows",
    "display-messages": "tests.fuzz.wire:DisplayMessages",
    "control-lines": "tests.fuzz.wire:ControlLines",
}


def load(name):
    """The target of this name."""
    from importlib import import_module

    module, _, kind = TARGETS[name].partition(":")
    return getattr(import_module(module), kind)()


def snapshot(folder):
    """Every file below a folder, with what is in it."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run_case(target, name, seed, folder):
    """One case; whether it was read."""
    rng = random.Random(f"{name} {seed}")
    target.make(rng, folder)
    before = snapshot(folder)
    said = use(target, folder)
    assert said is None or said, "an error says something"
    assert "\n" not in (said or ""), f"one line, not {said}"
    assert snapshot(folder) == before, "no file is touched"
    return said is None


def use(target, folder):
    """Let it be read; what was said where it was refused, else None."""
    try:
        target.use(folder)
    except UserError as error:
        return str(error)
    return None


def child(name, progress):
    """Run cases in this process; what went wrong on standard output, a line of JSON each.

    Their seeds are a list in JSON on standard input.
    """
    seeds = json.load(sys.stdin)
    limit_memory()
    faulthandler.enable()
    target, read = load(name), 0
    with tempfile.TemporaryDirectory() as place, Path(progress).open("w") as at:
        folder = Path(place)
        target.prepare(folder)
        for number, seed in enumerate(seeds):
            at.seek(0)
            at.write(f"{number:10d} {read:10d}")
            at.flush()
            faulthandler.dump_traceback_later(HANG_S, exit=True)
            try:
                read += run_case(target, name, seed, folder)
            except Exception:  # noqa: BLE001 - this is what is looked for
                print(json.dumps({"seed": seed, "error": traceback.format_exc()}), flush=True)
    faulthandler.cancel_dump_traceback_later()
    print(json.dumps({"read": read}), flush=True)


def limit_memory():
    """No case may take much more than what is there before it."""
    if sys.platform != "linux":
        return
    import resource

    # What torch and numba reserve without using is not counted.
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))


def run_target(name, seeds):
    """The cases of a target with these seeds, with a new child where one has died.

    Returns
    -------
    read : int
    failures : list of dict
        ``seed`` and ``error``.
    """
    read, failures, left = 0, [], list(seeds)
    while left:
        with tempfile.NamedTemporaryFile() as at:
            done = subprocess.run(
                [sys.executable, "-m", "tests.fuzz.run", "--child", name, at.name],
                input=json.dumps(left),
                capture_output=True,
                text=True,
                check=False,
            )
            reached = Path(at.name).read_text().split()
        told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        failures += [said for said in told if "error" in said]
        read += sum(said.get("read", 0) for said in told)
        if done.returncode == 0:
            return read, failures
        if not reached:
            raise RuntimeError(done.stderr)
        number, before = map(int, reached)
        failures.append(
            {"seed": left[number], "error": f"{done.returncode}: {done.stderr[-4000:]}"}
        )
        read, left = read + before, left[number + 1 :]
    return read, failures


def main():
    """As the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--child", nargs=2, metavar=("TARGET", "PROGRESS"))
    parser.add_argument("targets", nargs="*", default=[])
    asked = parser.parse_args()
    if asked.child:
        child(*asked.child)
        return
    failed = 0
    for name in asked.targets or TARGETS:
        began = time.monotonic()
        read, failures = run_target(name, range(asked.start, asked.start + asked.cases))
        failed += len(failures)
        took = time.monotonic() - began
        print(f"{name}: {asked.cases} cases, {read} read, {len(failures)} failures, {took:.0f} s")
        for failure in failures[:5]:
            print(f"--- seed {failure['seed']}\n{failure['error']}")
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()

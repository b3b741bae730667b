"""A package of trigger functions, installed where the test likes."""

FUNCTIONS = """
import os
import threading

told, gate = [], threading.Event()


def log(event):
    import json

    with open(os.environ["TRIGGER_LOG"], "a", encoding="utf-8") as file:
        file.write(json.dumps(event) + "\\n")


def fail(event):
    told.append(event)
    raise RuntimeError("no cable")


def wait(event):
    told.append(event)
    gate.wait(30)


number = 3
"""
ENTRY_POINTS = """[rtdecode.triggers]
log = blinkers:log
fail = blinkers:fail
wait = blinkers:wait
number = blinkers:number
absent = blinkers:absent
broken = no_such_package:function
"""


def install(folder):
    """Lay the package into a folder; to be put on the path."""
    place = folder / "packages"
    about = place / "blinkers-1.0.dist-info"
    about.mkdir(parents=True)
    (place / "blinkers.py").write_text(FUNCTIONS)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: blinkers\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRY_POINTS)
    return place

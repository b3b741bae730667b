"""Streams that stay on this machine and meet no other run's."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CONFIG = """\
[ports]
IPv6 = disable
[multicast]
ResolveScope = machine
[lab]
KnownPeers = {{127.0.0.1}}
SessionID = rtdecode-bench-{run}
[log]
level = -2
"""


@contextmanager
def own_loopback() -> Iterator[None]:
    """Give this process and its children an LSL of their own; to be entered before pylsl loads.

    A configuration that ``LSLAPICFG`` names already is left as it is.
    """
    if "LSLAPICFG" in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="rtdecode-bench-") as folder:
        path = Path(folder, "lsl_api.cfg")
        path.write_text(CONFIG.format(run=uuid.uuid4().hex[:12]))
        os.environ["LSLAPICFG"] = str(path)
        try:
            yield
        finally:
            del os.environ["LSLAPICFG"]

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
BasePort = {base_port}
PortRange = 60
[multicast]
ResolveScope = machine
[lab]
KnownPeers = {{127.0.0.1}}
SessionID = rtdecode-bench-{run}
[log]
level = -3
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
        # Two runs at a time on one machine would use up the default 32 ports.
        base_port = 17_000 + os.getpid() % 240 * 64
        path.write_text(CONFIG.format(base_port=base_port, run=uuid.uuid4().hex[:12]))
        os.environ["LSLAPICFG"] = str(path)
        try:
            yield
        finally:
            del os.environ["LSLAPICFG"]

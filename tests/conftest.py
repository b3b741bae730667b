"""What every test shares: a private LSL, a screenless Qt, the real recording.

liblsl reads its configuration once, when it is first used, so the file is
written and named here, at import, before any test can load pylsl. Child
processes inherit it through the environment.
"""

import atexit
import os
import shutil
import tempfile
import uuid
from pathlib import Path

import hypothesis
import pytest

REPO = Path(__file__).resolve().parents[1]

# Only 127.0.0.1 and only streams of this run are seen. Ports of its own: known
# peers are asked on BasePort..BasePort+PortRange alone, and two runs at a time
# on one machine would use up the default 32.
LSL_CONFIG = """\
[ports]
IPv6 = disable
BasePort = {base_port}
PortRange = 60
[multicast]
ResolveScope = machine
[lab]
KnownPeers = {{127.0.0.1}}
SessionID = rtdecode-test-{run}
[log]
level = -2
"""


def _pin_lsl_to_loopback() -> Path:
    handle, name = tempfile.mkstemp(prefix="rtdecode-lsl-", suffix=".cfg")
    # Below 32768, where Linux begins to hand out ports by itself.
    base_port = 17_000 + os.getpid() % 240 * 64
    with os.fdopen(handle, "w") as file:
        file.write(LSL_CONFIG.format(base_port=base_port, run=uuid.uuid4().hex[:12]))
    os.environ["LSLAPICFG"] = name
    return Path(name)


_LSL_CONFIG_PATH = _pin_lsl_to_loopback()
atexit.register(_LSL_CONFIG_PATH.unlink, missing_ok=True)
# Decoders of other runs are not ours to arm.
os.environ["RTDECODE_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="rtdecode-run-")
atexit.register(shutil.rmtree, os.environ["RTDECODE_RUNTIME_DIR"], ignore_errors=True)
# The first call of a kernel compiles it, which is no slowness of the case at hand.
hypothesis.settings.register_profile("rtdecode", deadline=None)
hypothesis.settings.load_profile("rtdecode")
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
# pytest-qt must not take another binding that happens to be installed.
os.environ.setdefault("PYTEST_QT_API", "pyqt6")


@pytest.fixture(scope="session")
def lsl_config() -> Path:
    """Path of the LSL configuration that this test run and its children use."""
    return _LSL_CONFIG_PATH


@pytest.fixture(scope="session")
def repo() -> Path:
    """Return the root of the source tree."""
    return REPO


@pytest.fixture(scope="session")
def allen_gratings_path() -> Path:
    """Path of the recorded drifting gratings (real Allen spike times); read-only."""
    shared = Path(os.environ.get("RTDECODE_SHARED", REPO.parent / "shared"))
    path = shared / "data" / "allen_drifting_gratings.nwb"
    if not path.is_file():
        pytest.skip(f"no recorded session at {path}: set RTDECODE_SHARED to the folder that has it")
    return path

"""The doctor finds what is missing, names what mends it, and outlives what crashes."""

import importlib.metadata
import json
import re
import subprocess
import sys

import pytest
from rich.console import Console

from rtdecode import doctor, qt_libraries
from rtdecode.doctor import Finding, is_fit, table_of
from rtdecode.errors import UserError


def only(check):
    (finding,) = check()
    return finding


def text_of(findings):
    console = Console(width=200)
    with console.capture() as capture:
        console.print(table_of(findings))
    return capture.get()


def test_a_child_that_dies_is_a_finding_not_a_crash():
    finding = doctor.check_child("x", "import os; os.abort()", "mend it")
    assert not finding.ok
    assert finding.mend == "mend it"
    assert "exit code" in finding.found


def test_a_child_that_raises_tells_its_message():
    finding = doctor.check_child("x", "raise OSError('no such library')", "mend it")
    assert (finding.ok, finding.found) == (False, "OSError: no such library")


def test_a_child_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(doctor, "CHILD_TIMEOUT_S", 0.5)
    finding = doctor.check_child("x", "import time; time.sleep(60)", "mend it")
    assert not finding.ok
    assert "no answer" in finding.found


def test_needed_faults_alone_make_a_machine_unfit():
    assert is_fit([Finding("a", True, ""), Finding("b", False, "", needed=False)])
    assert not is_fit([Finding("a", True, ""), Finding("b", False, "")])


def test_the_line_that_mends_stands_in_the_table():
    text = text_of([Finding("liblsl", False, "[Errno 2] no file", "install liblsl")])
    assert "MISSING" in text
    assert "[Errno 2] no file" in text
    assert "install liblsl" in text


def test_missing_qt_libraries_name_the_line_for_apt(monkeypatch):
    absent = {"libxcb-absent.so.4": "libxcb-icccm4", "libabsent.so.1": "libxcb-keysyms1"}
    finding = doctor._check_libraries("Qt", absent | {"libc.so.6": "libc6"}, needed=True)
    assert not finding.ok
    assert finding.mend == "sudo apt-get install libxcb-icccm4 libxcb-keysyms1"
    assert "libxcb-absent.so.4" in finding.found
    assert "libc.so.6" not in finding.found


@pytest.mark.skipif(sys.platform != "linux", reason="ELF files")
def test_all_that_qt_links_to_is_looked_for():
    """Whatever a new Qt links to besides must be added to the table, or be part of any system."""
    qt = importlib.metadata.distribution("PyQt6-Qt6").locate_file("PyQt6/Qt6")
    files = [qt / "plugins" / "platforms" / "libqxcb.so"]
    files += [qt / "lib" / f"libQt6{part}.so.6" for part in ("Core", "Gui", "Widgets", "XcbQpa")]
    listed = "".join(
        subprocess.run(
            ["objdump", "-p", str(file)], capture_output=True, text=True, check=True
        ).stdout
        for file in files
    )
    needed = set(re.findall(r"NEEDED\s+(\S+)", listed))
    own = {name for name in needed if re.match(r"libQt6|libicu", name)}
    of_any_system = {
        "libc.so.6",
        "libm.so.6",
        "libgcc_s.so.1",
        "libstdc++.so.6",
        "ld-linux-x86-64.so.2",
        "libpthread.so.0",
        "libdl.so.2",
        "librt.so.1",
    }
    known = set(qt_libraries.ALWAYS | qt_libraries.ON_SCREEN)
    assert needed - own - of_any_system <= known
    assert "libxcb-icccm.so.4" in needed


def test_a_package_too_old_is_a_fault_with_a_line(monkeypatch):
    wanted = ["numpy>=999", "no-such-package>=1", "rich", 'pynwb<0.1; extra == "nwb"']
    monkeypatch.setattr(doctor.importlib.metadata, "requires", lambda name: wanted)
    numpy, absent, rich, pynwb = doctor.check_packages()
    assert not numpy.ok
    assert numpy.needed
    assert 'pip install "numpy>=999"' in numpy.mend
    assert absent.found == "not installed"
    assert (rich.ok, rich.mend) == (True, "")
    assert not pynwb.ok
    assert not pynwb.needed


def test_the_packages_named_are_the_projects_own():
    names = {finding.name.lower() for finding in doctor.check_packages()}
    assert {"numpy", "torch", "pylsl", "pyqt6", "pyqtgraph", "pynwb"} <= names
    assert "ruff" not in names


def test_liblsl_and_the_streams_on_the_network():
    pylsl = pytest.importorskip("pylsl")
    found = only(doctor.check_liblsl)
    assert found.ok
    assert f"{pylsl.library_version() / 100:.2f}" in found.found
    assert "rig-spikes" not in only(doctor.check_streams).found
    info = pylsl.StreamInfo("rig-spikes", "SpikeEvents", 2, 0.0, pylsl.cf_int32, "doctor-test")
    outlet = pylsl.StreamOutlet(info)
    assert "rig-spikes" in only(doctor.check_streams).found
    del outlet


def test_a_broken_liblsl_is_told_with_its_mend(monkeypatch, tmp_path):
    (tmp_path / "liblsl.so").write_text("no library")
    monkeypatch.setenv("PYLSL_LIB", str(tmp_path / "liblsl.so"))
    finding = only(doctor.check_liblsl)
    assert not finding.ok
    assert finding.needed
    assert "PYLSL_LIB" in finding.mend


def test_the_cache_named_is_where_the_kernels_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    finding = only(doctor.check_kernels)
    assert finding.ok
    assert finding.found.startswith(str(tmp_path))


def test_timer_and_clock_report_numbers():
    timer, clock = only(doctor.check_timer), only(doctor.check_clock)
    p50, p99, most = map(float, re.findall(r"\d+\.\d+", timer.found))
    assert 0 <= p50 <= p99 <= most
    assert clock.ok
    assert not timer.needed


def test_the_command_writes_what_it_found_and_keeps_a_users_file(tmp_path):
    file = tmp_path / "doctor.json"
    code = "from rtdecode.cli import main; main()"
    line = [sys.executable, "-c", code, "doctor", "--json", str(file)]
    first = subprocess.run(line, capture_output=True, text=True, check=False, timeout=170)
    assert first.returncode == 0, first.stdout + first.stderr
    report = json.loads(file.read_text())
    assert report["ok"]
    assert {"liblsl", "torch runs", "Numba cache", "Timer jitter", "Python"} <= {
        finding["name"] for finding in report["findings"]
    }
    file.write_text("mine")
    again = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
    assert again.returncode == 2
    assert "--force" in again.stderr
    assert file.read_text() == "mine"


def test_a_machine_that_lacks_a_needed_part_is_unfit(monkeypatch):
    lacking = lambda: iter([Finding("liblsl", False, "not found", "install it")])  # noqa: E731
    monkeypatch.setattr(doctor, "CHECKS", (lacking,))
    assert not doctor.run_doctor()


def test_a_file_that_exists_is_refused_before_anything_is_examined(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "CHECKS", ())
    (tmp_path / "f.json").write_text("mine")
    with pytest.raises(UserError, match="--force"):
        doctor.run_doctor(tmp_path / "f.json")

"""What moves rows is compiled before a stream is open: what it sends meanwhile would come late."""

import itertools
from pathlib import Path

import numba
import numpy as np
import pytest

from rtdecode import pump, pump_several, streams
from rtdecode.backends import follow, load_decoder
from rtdecode.live_settings import LiveSettings
from rtdecode.session.model import Units
from rtdecode.virtual import new_engine
from rtdecode.warm_up import warm_up
from tests.live.event_models import FIT, UNITS, write

PATIENCE_S = 20.0
NUMBERS = itertools.count()


@pytest.fixture
def new_inlet():
    """Inlets of streams of their own, open; closed at the end."""
    outlets, inlets = [], []

    def one() -> streams.SpikeInlet:
        name, nothing = f"warm-{next(NUMBERS)}", np.array([""] * UNITS)
        units = Units(np.arange(UNITS), nothing, np.full(UNITS, np.nan), nothing)
        outlets.append(streams.SpikeOutlet(units, name))
        found = streams.find(name, streams.SPIKE_FORMAT, PATIENCE_S)
        assert found is not None
        inlets.append(streams.SpikeInlet(found))
        inlets[-1].open()
        return inlets[-1]

    yield one
    for inlet in inlets:
        inlet.close()
    outlets.clear()


def new_bundle(folder: Path) -> Path:
    return write(folder, "lda", FIT["lda"](np.random.default_rng(0)))


@pytest.mark.parametrize("backend", ["torchscript", "event"])
@pytest.mark.parametrize("probes", [1, 2])
def test_nothing_is_left_to_compile(new_inlet, tmp_path, monkeypatch, backend, probes):
    module, name = (pump, "run_pump") if probes == 1 else (pump_several, "run_pumps")
    # As in a new process: whatever other tests have compiled is not there.
    fresh = numba.njit(nogil=True, cache=True)(getattr(module, name).py_func)
    monkeypatch.setattr(module, name, fresh)
    decoder = load_decoder(new_bundle(tmp_path), backend)
    warm_up(decoder, LiveSettings(spikes=tuple(f"probe-{i}" for i in range(probes))))
    compiled = list(fresh.signatures)
    assert len(compiled) == 1
    engine = new_engine(decoder)
    engine.hear(probes)
    inlets = [new_inlet() for _ in range(probes)]
    pump.make_pump(inlets, engine, follow(decoder, engine)).until(0, 0, 0)
    assert fresh.signatures == compiled


def test_a_loop_without_compiled_pulls_needs_none(tmp_path, monkeypatch):
    def unheard_of(library):
        raise OSError(f"no {library}")

    monkeypatch.setattr(pump, "link", unheard_of)
    warm_up(load_decoder(new_bundle(tmp_path)), LiveSettings())

"""Small sessions in memory whose answer is known."""

import numpy as np

from rtdecode.session import Presentations, Session, Units

STEP_US = 250_000


def make_session(
    tables: dict[str, dict[str, list]], spikes: dict[int, list[int]] | None = None
) -> Session:
    """A session with these tables (``start_us`` and columns) and spikes by unit id."""
    spikes = spikes or {1: [], 2: []}
    ids = np.array(sorted(spikes), np.int64)
    trains = [np.array(sorted(spikes[int(i)]), np.int64) for i in ids]
    units = Units(ids, np.full(len(ids), "VISp"), np.full(len(ids), np.nan), np.full(len(ids), ""))
    presentations = {}
    for name, table in tables.items():
        start = np.array(table["start_us"], np.int64)
        columns = {
            key: np.array(values, np.float64 if isinstance(values[0], (int, float)) else np.str_)
            for key, values in table.items()
            if key != "start_us"
        }
        presentations[name] = Presentations(name, start, start + STEP_US, columns)
    offsets = np.concatenate([[0], np.cumsum([len(t) for t in trains])]).astype(np.int64)
    return Session("made", units, np.concatenate(trains), offsets, presentations)


def tuned_session(
    n_classes: int = 4, trials: int = 40, n_units: int = 24, blocks: int = 4, seed: int = 0
) -> Session:
    """Units fire 40-140 ms after onset by the class of the trial; before, at random."""
    rng = np.random.default_rng(seed)
    n = n_classes * trials
    labels = rng.permutation(np.arange(n) % n_classes)
    onsets = 1_000_000 + np.arange(n) * STEP_US
    rates = rng.gamma(1.0, 2.0, (n_classes, n_units))
    spikes = {}
    for unit in range(n_units):
        evoked = [
            onset + rng.integers(40_000, 140_000, rng.poisson(rates[label, unit]))
            for onset, label in zip(onsets.tolist(), labels.tolist(), strict=True)
        ]
        background = rng.integers(0, onsets[-1] + STEP_US, n // 2)
        spikes[100 + unit] = np.concatenate([*evoked, background]).tolist()
    table = {
        "start_us": onsets.tolist(),
        "orientation": (labels * 45.0).tolist(),
        "stimulus_block": (np.arange(n) * blocks // n).astype(float).tolist(),
    }
    return make_session({"drifting_gratings": table}, spikes)

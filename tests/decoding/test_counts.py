"""Counts of a session against a histogram."""

import numpy as np

from rtdecode.counts import count_session
from rtdecode.windows import WindowSpec
from tests.decoding.sessions import make_session, tuned_session


def test_counts_equal_a_histogram():
    session = tuned_session(trials=10)
    onsets = session.presentations["drifting_gratings"].start_us
    spec = WindowSpec.parse("-25:250:25")
    counts = count_session(session, onsets, spec)
    edges = np.arange(spec.n_bins + 1) * spec.bin_us
    for unit in range(len(session.units)):
        for row, start in enumerate(spec.starts(onsets).tolist()):
            relative = session.spikes_of(unit) - start
            # The last bin of np.histogram is closed: drop what lies on its end.
            found = np.histogram(relative[relative < edges[-1]], edges)[0]
            assert counts[row, :, unit].tolist() == found.tolist()
    assert counts.dtype == np.uint16
    assert counts.sum() > 0


def test_edges_belong_to_the_bin_they_open():
    table = {"start_us": [1000], "orientation": [0.0]}
    session = make_session({"drifting_gratings": table}, {1: [1000, 1999, 2000], 2: [999, 3000]})
    counts = count_session(session, np.array([1000]), WindowSpec(0, 2000, 1000))
    assert counts.tolist() == [[[2, 0], [1, 0]]]

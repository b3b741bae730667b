"""The law of each area: how many units, how fast, how late, how large their receptive fields.

Sources
-------
- Unit counts after the quality filter, and how often an area is missing: means
  over the 32 ``brain_observatory_1.1`` sessions of Allen's Visual Coding -
  Neuropixels, as far as they are published (VIS areas, LP, LGd, CA1; session
  791319847 for LGv, CA3, DG, SUB); the rest fills a session up to the published
  number of units. A probe that misses its visual area passes through cortex
  that has no name of its own (``UNNAMED_CORTEX``), as in Allen's sessions.
- Decay times: the same data (Siegle et al. 2021, "Survey of spiking in the mouse
  visual system reveals functional hierarchy").
- Onsets: set so that first spikes after a flash come in that paper's order. The
  response sets in before the first spike, by how much follows from the rate.
- Rates: log-normal (``population``); the medians give cortex the published mode
  of 3 Hz and VISp the published mean of 8.85 Hz. Thalamus and hippocampus stay
  below their published modes (8 and 5 Hz).
- Receptive fields grow from LGd over VISp to the higher areas (Siegle et al.
  2021, figure 3; Glickfeld and Olsen 2017, "Higher-order areas of the mouse
  visual cortex").
- The share of units that respond has no published number that fits this model:
  set so that all units together decode as published (Carpenter, Vita and
  Pipiras, CCN 2024).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Area:
    """What is true of all units of an area.

    Attributes
    ----------
    units : float
        Mean number after the quality filter, in sessions that have the area.
    presence : float
        Share of the sessions that have it.
    probes : str
        Letters of the probes that pass through it.
    rate_hz : float
        Median rate during scenes.
    onset_ms : float
        Median onset of the response after the stimulus; 0 where the area does not see.
    decay_ms : float
        Mean time constant of the fall from the transient to the sustained response.
    responsive : float
        Share of its units that respond to pictures.
    field_scale : float
        Size of receptive fields, VISp = 1.
    private : float
        Weight of tuning that no receptive field explains, VISp = 1.
    """

    units: float
    presence: float
    probes: str
    rate_hz: float
    onset_ms: float = 0.0
    decay_ms: float = 41.5
    responsive: float = 0.0
    field_scale: float = 1.0
    private: float = 1.0


UNNAMED_CORTEX = "VIS"
"""Where a probe that was aimed at a visual area has missed it."""

AREAS: Mapping[str, Area] = {
    "VISp": Area(63, 0.97, "C", 6.5, 45.5, 41.5, 0.94, 1.00, 1.0),
    "VISl": Area(39, 0.75, "D", 5.8, 45.5, 41.6, 0.60, 1.25, 1.2),
    "VISal": Area(67, 0.80, "E", 5.8, 48.0, 42.1, 0.58, 1.35, 1.1),
    "VISrl": Area(50, 0.80, "F", 5.8, 51.0, 46.6, 0.45, 1.35, 1.2),
    "VISam": Area(58, 0.85, "A", 5.8, 56.0, 48.7, 0.55, 1.60, 1.1),
    "VISpm": Area(44, 0.63, "B", 5.8, 59.0, 49.4, 0.55, 1.60, 1.1),
    "VIS": Area(35, 0.00, "ABCDEF", 6.6, 50.0, 45.0, 0.50, 1.40, 1.3),
    "LGd": Area(55, 0.60, "CD", 9.0, 43.0, 36.0, 0.75, 0.80, 1.2),
    "LP": Area(76, 0.80, "ABE", 7.0, 52.0, 42.7, 0.35, 1.80, 1.4),
    "LGv": Area(16, 0.35, "CD", 7.0, 52.0, 40.0, 0.50, 1.50, 1.4),
    "PO": Area(22, 0.40, "AB", 6.0),
    "APN": Area(45, 0.60, "BF", 7.0),
    "VPM": Area(24, 0.50, "EF", 6.0),
    "POL": Area(20, 0.45, "AE", 6.0),
    "TH": Area(30, 0.60, "ABCF", 6.0),
    "MB": Area(28, 0.45, "BCD", 6.0),
    "CA1": Area(97, 0.97, "ABCDEF", 4.5),
    "CA3": Area(38, 0.80, "ACEF", 4.5),
    "DG": Area(38, 0.85, "ABCEF", 4.0),
    "SUB": Area(41, 0.45, "BD", 5.0),
    "ProS": Area(36, 0.50, "BCD", 5.0),
}

VISUAL_CORTEX = ("VISp", "VISl", "VISal", "VISrl", "VISam", "VISpm")

# From the cortex down, as a probe meets them.
DEPTH_ORDER = (
    (*VISUAL_CORTEX, UNNAMED_CORTEX),
    ("SUB", "ProS", "CA1", "DG", "CA3"),
    ("LP", "LGd", "LGv", "PO", "POL", "VPM", "TH", "APN", "MB"),
)

"""What ``rtdecode simulate --profile`` offers: which blocks, areas and how many units.

- ``brain-observatory``: the full timetable (``timetable``).
- ``scenes-and-gratings``: its blocks of natural scenes and static gratings, 8 to
  11, 13 and 14, with what lies between them but for the film; all units.
- ``small``: short blocks of scenes, static and drifting gratings, four areas on
  two probes, three tenths of the units; for tests and the demo.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from offline.simulate.timetable import BRAIN_OBSERVATORY, Block


@dataclass(frozen=True)
class Profile:
    """A kind of recording.

    Attributes
    ----------
    blocks : tuple of (int, Block)
        Index in ``stimulus_block`` and the block, in order of time.
    end_s : float
        Length of the recording, seconds.
    unit_share : float
        Share of a real recording's units that is simulated.
    probes : str
        Letters of the probes inserted.
    areas : tuple of str or None
        The areas recorded, each in every mouse; None for the real lottery of areas.
    """

    blocks: tuple[tuple[int, Block], ...]
    end_s: float
    unit_share: float = 1.0
    areas: tuple[str, ...] | None = None
    probes: str = "ABCDEF"


LEAD_S = 60.0


def _scenes_and_gratings() -> Profile:
    # Blocks 8-11, 13 and 14 of the full timetable; the film of block 12 is left
    # out and what follows moves up by its length.
    first = BRAIN_OBSERVATORY[8].start_s - LEAD_S
    film = BRAIN_OBSERVATORY[12]
    blocks = []
    for index in (8, 9, 10, 11, 13, 14):
        block = BRAIN_OBSERVATORY[index]
        shift = first + (film.duration_s if index > 12 else 0.0)
        start = block.start_s - shift
        blocks.append((index, Block(block.stimulus, start, block.duration_s, block.presentations)))
    last = blocks[-1][1]
    return Profile(tuple(blocks), end_s=last.start_s + last.duration_s + LEAD_S)


def _small() -> Profile:
    kinds = {
        "static_gratings": (40.0, 160),
        "natural_scenes": (40.0, 160),
        "drifting_gratings": (125.1, 42),
    }
    order = (
        "static_gratings",
        "natural_scenes",
        "drifting_gratings",
        "natural_scenes",
        "static_gratings",
        "drifting_gratings",
        "natural_scenes",
        "static_gratings",
    )
    blocks, now = [], 10.0
    for index, name in enumerate(order):
        duration, presentations = kinds[name]
        blocks.append((index, Block(name, now, duration, presentations)))
        now += duration + 10.0
    areas = ("VISp", "VISl", "LGd", "CA1")
    return Profile(tuple(blocks), end_s=now, unit_share=0.3, areas=areas, probes="CD")


PROFILES: Mapping[str, Profile] = {
    "small": _small(),
    "scenes-and-gratings": _scenes_and_gratings(),
    "brain-observatory": Profile(tuple(enumerate(BRAIN_OBSERVATORY)), end_s=9700.0),
}

"""What is shown when: the blocks of a session and the presentations in them.

The full timetable is session 756029989's (Allen Brain Observatory, Visual
Coding - Neuropixels, ``brain_observatory_1.1``): block after block with its
start, its duration, its stimulus and how many presentations it holds. Orders
are drawn for each mouse, with every condition equally often over the session,
except in films.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline.simulate.stimuli import GREY, STIMULI

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Block:
    """One block of a timetable.

    Attributes
    ----------
    stimulus : str
        Name in ``STIMULI`` (``static_gratings``).
    start_s, duration_s : float
        Seconds of the session.
    presentations : int
        How many presentations fill the block.
    """

    stimulus: str
    start_s: float
    duration_s: float
    presentations: int


@dataclass(frozen=True, eq=False)
class PresentationTable:
    """The presentations of one stimulus, in order of onset.

    Attributes
    ----------
    stimulus : str
    start_s, stop_s : (n,) float64
        Seconds of the session.
    block : (n,) float64
        Index of the block; NaN in spontaneous intervals.
    condition : (n,) int64
        Condition within the stimulus; -1 (GREY) where the screen is grey.
    """

    stimulus: str
    start_s: FloatArray
    stop_s: FloatArray
    block: FloatArray
    condition: NDArray[np.int64]


BRAIN_OBSERVATORY = (
    Block("gabors", 84.5, 912.0, 3645),
    Block("flashes", 1285.5, 298.5, 150),
    Block("drifting_gratings", 1585.7, 599.5, 200),
    Block("natural_movie_three", 2216.3, 600.5, 18000),
    Block("natural_movie_one", 2846.8, 300.3, 9000),
    Block("drifting_gratings", 3177.1, 599.5, 200),
    Block("natural_movie_three", 4077.8, 600.5, 18000),
    Block("drifting_gratings", 4708.4, 689.6, 230),
    Block("static_gratings", 5398.9, 480.4, 1920),
    Block("natural_scenes", 5909.4, 480.4, 1920),
    Block("natural_scenes", 6690.0, 480.4, 1920),
    Block("static_gratings", 7200.4, 480.4, 1920),
    Block("natural_movie_one", 7710.9, 300.3, 9000),
    Block("natural_scenes", 8041.1, 527.9, 2110),
    Block("static_gratings", 8611.6, 540.5, 2160),
)


def present(
    blocks: Sequence[Block],
    first_block: Sequence[int],
    end_s: float,
    rng: np.random.Generator,
) -> list[PresentationTable]:
    """Draw every presentation of a session, the spontaneous intervals between included.

    Parameters
    ----------
    blocks : sequence of Block
        In order of time.
    first_block : sequence of int
        The index that each block carries in ``stimulus_block``.
    end_s : float
        End of the recording, seconds.
    rng : numpy.random.Generator
        Draws the orders.

    Returns
    -------
    list of PresentationTable
        One a stimulus, in order of first onset, then ``spontaneous``.
    """
    names = list(dict.fromkeys(block.stimulus for block in blocks))
    tables = []
    for name in names:
        chosen = [(b, i) for b, i in zip(blocks, first_block, strict=True) if b.stimulus == name]
        tables.append(_stimulus_table(name, chosen, rng))
    return [*tables, _spontaneous(tables, end_s)]


def _stimulus_table(
    name: str, blocks: list[tuple[Block, int]], rng: np.random.Generator
) -> PresentationTable:
    counts = [block.presentations for block, _ in blocks]
    order = STIMULI[name].order(sum(counts), rng)
    starts, stops = zip(*(_times(block) for block, _ in blocks), strict=True)
    indices = [index for _, index in blocks]
    return PresentationTable(
        name,
        np.concatenate(starts),
        np.concatenate(stops),
        np.repeat(np.array(indices, float), counts),
        order,
    )


def _times(block: Block) -> tuple[FloatArray, FloatArray]:
    # A block ends with its last presentation, so the pause after that one is not in it.
    stimulus = STIMULI[block.stimulus]
    edges = np.linspace(0, block.duration_s + stimulus.pause_s, block.presentations + 1)
    starts = block.start_s + edges[:-1]
    shown = stimulus.shown_s
    return starts, block.start_s + edges[1:] if shown is None else starts + shown


def _spontaneous(tables: list[PresentationTable], end_s: float) -> PresentationTable:
    # Grey for longer than a second between blocks, and before the first and after the last.
    starts = np.concatenate([table.start_s for table in tables])
    stops = np.concatenate([table.stop_s for table in tables])
    block = np.concatenate([table.block for table in tables])
    order = np.argsort(starts)
    starts, stops, block = starts[order], stops[order], block[order]
    inside = np.concatenate([[False], block[1:] == block[:-1], [False]])
    grey_from = np.concatenate([[0.0], stops])
    grey_to = np.concatenate([starts, [end_s]])
    keep = ~inside & (grey_to - grey_from > 1.0)
    n = int(keep.sum())
    return PresentationTable(
        "spontaneous",
        grey_from[keep],
        grey_to[keep],
        np.full(n, np.nan),
        np.full(n, GREY),
    )

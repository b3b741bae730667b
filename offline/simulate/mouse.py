"""One simulated mouse: population, screen, brain state and flaws become spikes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline.simulate.brain_state import STEP_S, BrainState, draw_state
from offline.simulate.drives import Drives, condition_drives
from offline.simulate.population import Population, draw_population
from offline.simulate.profiles import Profile
from offline.simulate.quality import (
    Flaws,
    double_detections,
    draw_flaws,
    isi_violations,
    presence_ratio,
    waveform_metrics,
)
from offline.simulate.spikes import log_gain, unit_spikes
from offline.simulate.stimuli import GREY, STIMULI
from offline.simulate.timetable import PresentationTable, present

FloatArray = NDArray[np.float64]
THREADS = 2
INVALID_SHARE, INVALID_S = 0.1, 3.0
FOLLOW_HZ = 10.0
"""Temporal frequency above which simple cells no longer follow the cycles."""


@dataclass(frozen=True, eq=False)
class Mouse:
    """A recording of one simulated mouse.

    Attributes
    ----------
    population : Population
    tables : list of PresentationTable
    spike_times_s : list of (spikes,) float64
        One array a unit, sorted, seconds.
    metrics : dict of str to (units,) float64
        Quality metrics by Allen's names.
    is_noise : (units,) bool
    running_times_s, running_cm_s : (samples,) float64
    invalid_s : (intervals, 2) float64
        Stretches that the recording calls invalid, seconds.
    end_s : float
    """

    population: Population
    tables: list[PresentationTable]
    spike_times_s: list[FloatArray]
    metrics: dict[str, FloatArray]
    is_noise: NDArray[np.bool_]
    running_times_s: FloatArray
    running_cm_s: FloatArray
    invalid_s: FloatArray
    end_s: float


@dataclass(frozen=True, eq=False)
class Screen:
    """All that the screen shows, without gaps; see ``unit_spikes``."""

    start_s: FloatArray
    stop_s: FloatArray
    condition: NDArray[np.int64]
    restart: NDArray[np.bool_]
    cycle_hz: FloatArray


def simulate_mouse(
    profile: Profile,
    seed: tuple[int, int],
    on_unit: Callable[[int, int], None] | None = None,
) -> Mouse:
    """Simulate one mouse.

    Parameters
    ----------
    profile : Profile
    seed : (int, int)
        The run's seed and the mouse's number in it; the same pair, the same mouse.
    on_unit : callable, optional
        Told how many of how many units are done.

    Returns
    -------
    Mouse
    """
    streams = np.random.SeedSequence(seed).spawn(6)
    rngs = [np.random.default_rng(stream) for stream in streams]
    population = draw_population(profile, rngs[0])
    blocks = [block for _, block in profile.blocks]
    tables = present(blocks, [index for index, _ in profile.blocks], profile.end_s, rngs[1])
    shown = [table.stimulus for table in tables if table.stimulus in STIMULI]
    drives = condition_drives(population, shown, rngs[2])
    state = draw_state(len(population), profile.end_s, rngs[3])
    flaws = draw_flaws(population.passes, rngs[4])
    recorder = _Recorder(population, lay_screen(tables, profile.end_s), drives, state, flaws)
    spikes = recorder.record_all(profile.end_s, streams[5], on_unit)
    metrics = _metrics(spikes, population, flaws, profile.end_s, rngs[4])
    times = np.arange(len(state.speed_cm_s)) * STEP_S
    return Mouse(
        population,
        tables,
        spikes,
        metrics,
        flaws.is_noise,
        times,
        state.speed_cm_s,
        _draw_invalid(profile.end_s, rngs[4]),
        profile.end_s,
    )


def _draw_invalid(end_s: float, rng: np.random.Generator) -> FloatArray:
    # A few of the real sessions have such a stretch.
    if rng.random() > INVALID_SHARE:
        return np.empty((0, 2))
    start = rng.uniform(0, end_s - INVALID_S)
    return np.array([[start, start + INVALID_S]])


def lay_screen(tables: list[PresentationTable], end_s: float) -> Screen:
    """Put all presentations in one line and fill the gaps with grey."""
    offsets = np.cumsum([0] + [len(STIMULI[t.stimulus]) for t in tables if t.stimulus in STIMULI])
    starts, stops, conditions, restarts, cycles = [], [], [], [], []
    for table, offset in zip((t for t in tables if t.stimulus in STIMULI), offsets, strict=False):
        stimulus = STIMULI[table.stimulus]
        starts.append(table.start_s)
        stops.append(table.stop_s)
        conditions.append(np.where(table.condition == GREY, GREY, table.condition + offset))
        first = np.concatenate([[True], table.block[1:] != table.block[:-1]])
        restarts.append(first if stimulus.is_film else np.ones(len(first), bool))
        cycles.append(stimulus.columns.get("temporal_frequency", np.zeros(len(stimulus))))
    start, stop = np.concatenate(starts), np.concatenate(stops)
    condition, restart = np.concatenate(conditions), np.concatenate(restarts)
    order = np.argsort(start)
    start, stop, condition, restart = start[order], stop[order], condition[order], restart[order]
    grey_start = np.concatenate([[0.0], stop])
    grey_stop = np.concatenate([start, [end_s]])
    gap = grey_stop - grey_start > 1e-6
    all_start = np.concatenate([start, grey_start[gap]])
    order = np.argsort(all_start)
    grey = int(gap.sum())
    return Screen(
        all_start[order],
        np.concatenate([stop, grey_stop[gap]])[order],
        np.concatenate([condition, np.full(grey, GREY)])[order],
        np.concatenate([restart, np.ones(grey, bool)])[order],
        np.concatenate(cycles),
    )


class _Recorder:
    """Draws the spikes of each unit of a mouse."""

    def __init__(
        self,
        population: Population,
        screen: Screen,
        drives: Drives,
        state: BrainState,
        flaws: Flaws,
    ) -> None:
        self.population, self.screen, self.state, self.flaws = population, screen, state, flaws
        self.drives = drives
        self.cycle_hz = np.where(screen.cycle_hz > FOLLOW_HZ, 0.0, screen.cycle_hz)

    def record_all(
        self,
        end_s: float,
        seeds: np.random.SeedSequence,
        on_unit: Callable[[int, int], None] | None,
    ) -> list[FloatArray]:
        """Spike times of every unit, seconds; the kernel runs without the GIL."""
        units = len(self.population)
        children = seeds.spawn(units)
        trains = []
        with ThreadPoolExecutor(THREADS) as pool:
            jobs = pool.map(lambda u: self._record(u, end_s, children[u]), range(units))
            for done, train in enumerate(jobs, start=1):
                trains.append(train)
                if on_unit is not None:
                    on_unit(done, units)
        return trains

    def _record(self, unit: int, end_s: float, seed: np.random.SeedSequence) -> FloatArray:
        rng = np.random.default_rng(seed)
        times = self._train(unit, 1.0, end_s, rng)
        mixed = self.flaws.mixed[unit]
        if mixed > 0:
            neighbour = unit - 1 if unit else 1
            other = self.population.rate_hz[neighbour]
            share = min(mixed * self.population.rate_hz[unit] / other, 1.0)
            foreign = self._train(neighbour, share, end_s, rng)
            times = np.concatenate([times, foreign])
            times = double_detections(times, self.flaws.doubles[unit], end_s, rng)
            times = np.sort(times)
        start, stop = self.flaws.active[unit] * end_s
        return times[np.searchsorted(times, start) : np.searchsorted(times, min(stop, end_s))]

    def _train(self, unit: int, share: float, end_s: float, rng: np.random.Generator) -> FloatArray:
        p, screen = self.population, self.screen
        gain = share * log_gain(
            self.state.factors, self.state.weights[unit], self.state.drift[unit]
        )
        seed, phase = int(rng.integers(2**31)), rng.uniform(0, 2 * np.pi)
        room = int(3 * share * p.rate_hz[unit] * end_s) + 1000
        while True:
            out = np.empty(room)
            count = unit_spikes(
                seed,
                screen.start_s,
                screen.stop_s,
                screen.condition,
                screen.restart,
                self.drives.transient[unit],
                self.drives.sustained[unit],
                self.cycle_hz,
                1 - p.fields.complexity[unit],
                phase,
                p.rate_hz[unit] * (1 - p.evoked[unit]),
                self.drives.volley_hz[unit],
                p.latency_s[unit],
                p.rise_s[unit],
                p.decay_s[unit],
                p.refractory_s[unit],
                gain,
                self.state.engaged,
                out,
            )
            if count <= room:
                return out[:count]
            room = count


def _metrics(
    spikes: list[FloatArray],
    population: Population,
    flaws: Flaws,
    end_s: float,
    rng: np.random.Generator,
) -> dict[str, FloatArray]:
    return {
        "firing_rate": np.array([len(times) / end_s for times in spikes]),
        "isi_violations": np.array([isi_violations(times, end_s) for times in spikes]),
        "presence_ratio": np.array([presence_ratio(times, end_s) for times in spikes]),
        "amplitude_cutoff": flaws.amplitude_cutoff,
        **waveform_metrics(population.fast_spiking, population.passes, rng),
    }

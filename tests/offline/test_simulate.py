"""The simulator: its laws one by one, and its files as the readers see them."""

import warnings

import numpy as np
import pytest
from scipy.stats import kstest

from offline.simulate import areas, brain_state, fields, images, quality, simulate
from offline.simulate.mouse import lay_screen, simulate_mouse
from offline.simulate.population import draw_population
from offline.simulate.probes import lay_probes
from offline.simulate.profiles import PROFILES
from offline.simulate.spikes import unit_spikes
from offline.simulate.stimuli import GREY, STIMULI
from offline.simulate.timetable import BRAIN_OBSERVATORY, present
from rtdecode.errors import UserError
from rtdecode.session import read_session

SEED = 11


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("simulated")


@pytest.fixture(scope="module")
def path(folder):
    return simulate(folder / "one", mice=1, seed=SEED, profile="small")[0]


@pytest.fixture(scope="module")
def mouse():
    return simulate_mouse(PROFILES["small"], (SEED, 0))


def rng(seed=0):
    return np.random.default_rng(seed)


# The mouse and its file.


def test_file_holds_the_mouse(path, mouse):
    session = read_session(path, quality=None)
    assert sorted(session.units.areas.tolist()) == sorted(mouse.population.area.tolist())
    by_count = sorted(len(session.spikes_of(row)) for row in range(len(session.units)))
    assert by_count == sorted(len(times) for times in mouse.spike_times_s)
    every = np.sort(np.concatenate(mouse.spike_times_s))
    np.testing.assert_array_equal(np.sort(session.spike_times_us), np.rint(every * 1e6))
    for table in mouse.tables:
        found = session.presentations[table.stimulus]
        np.testing.assert_array_equal(found.start_us, np.rint(table.start_s * 1e6))


def test_file_says_that_it_is_simulated(path):
    assert read_session(path).simulated


def test_allensdk_reads_the_file_alike(path):
    pytest.importorskip("allensdk")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from allensdk.brain_observatory.ecephys.ecephys_session import EcephysSession

        theirs = EcephysSession.from_nwb_path(str(path))
        units, spikes = theirs.units, theirs.spike_times
        table = theirs.stimulus_presentations
    ours = read_session(path)
    assert sorted(units.index) == sorted(ours.units.ids)
    assert units.loc[ours.units.ids, "structure_acronym"].tolist() == ours.units.areas.tolist()
    for row, unit in enumerate(ours.units.ids.tolist()):
        np.testing.assert_array_equal(ours.spikes_of(row), np.rint(spikes[unit] * 1e6))
    for name, found in ours.presentations.items():
        rows = table[table["stimulus_name"] == name]
        np.testing.assert_array_equal(found.start_us, np.rint(rows["start_time"] * 1e6))


def test_a_mouse_is_the_same_whatever_their_number(folder, path):
    again = simulate(folder / "two", mice=2, seed=SEED, profile="small")
    first, same, other = (read_session(p, quality=None) for p in (path, *again))
    np.testing.assert_array_equal(first.spike_times_us, same.spike_times_us)
    np.testing.assert_array_equal(first.units.ids, same.units.ids)
    assert not set(first.units.ids) & set(other.units.ids)
    assert len(first.spike_times_us) != len(other.spike_times_us)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"mice": 0}, "at least one mouse"),
        ({"seed": -1}, "a seed of 0 or more"),
        ({"profile": "large"}, "brain-observatory"),
    ],
)
def test_what_makes_no_sense_is_told(tmp_path, wrong, says):
    with pytest.raises(UserError, match=says):
        simulate(tmp_path, **wrong)
    assert not list(tmp_path.iterdir())


def test_no_file_is_written_over(path):
    before = path.read_bytes()
    with pytest.raises(UserError, match="--force"):
        simulate(path.parent, mice=1, seed=SEED, profile="small")
    assert path.read_bytes() == before


def test_filter_keeps_the_units_that_were_to_pass(path, mouse):
    measured = mouse.metrics
    inside = (
        (measured["amplitude_cutoff"] <= 0.1)
        & (measured["presence_ratio"] >= 0.95)
        & (measured["isi_violations"] <= 0.5)
        & ~mouse.is_noise
    )
    kept = read_session(path).units
    rates = np.sort(measured["firing_rate"][inside])
    np.testing.assert_allclose(np.sort(kept.metrics["firing_rate"]), rates)
    # A slow unit may fail or pass by a spike too close to another, as in recordings.
    assert (inside == mouse.population.passes).mean() > 0.95


def test_units_that_pass_keep_their_refractory_period(mouse):
    passing = np.flatnonzero(mouse.population.passes)
    for unit in passing:
        gaps = np.diff(mouse.spike_times_s[unit])
        assert gaps.min(initial=1) >= mouse.population.refractory_s[unit] * (1 - 1e-9)
    failing = [mouse.metrics["isi_violations"][u] for u in np.flatnonzero(~mouse.population.passes)]
    assert np.mean(np.array(failing) > 0.5) > 0.2


# When what is shown.


def test_timetable_is_the_published_one():
    blocks = list(enumerate(BRAIN_OBSERVATORY))
    tables = present([b for _, b in blocks], [i for i, _ in blocks], 9700.0, rng())
    by_name = {table.stimulus: table for table in tables}
    scenes = by_name["natural_scenes"]
    assert np.unique(scenes.block, return_counts=True)[1].tolist() == [1920, 1920, 2110]
    assert np.bincount(scenes.condition + 1).tolist() == [50] * 119
    assert np.diff(scenes.start_s[:1920]) == pytest.approx(0.25021, abs=2e-5)
    gratings = by_name["static_gratings"]
    assert np.unique(gratings.block).tolist() == [8.0, 11.0, 14.0]
    assert len(gratings.condition) == 6000
    assert set(np.bincount(gratings.condition[gratings.condition != GREY])) <= {48, 49}
    assert len(by_name["drifting_gratings"].condition) == 630
    assert len(by_name["gabors"].condition) == 3645
    assert set(by_name) == {*STIMULI, "spontaneous"}


def test_screen_has_no_gap_and_no_overlap(mouse):
    screen = lay_screen(mouse.tables, mouse.end_s)
    np.testing.assert_allclose(screen.start_s[1:], screen.stop_s[:-1], atol=1e-6)
    assert screen.start_s[0] == 0
    assert screen.stop_s[-1] == pytest.approx(mouse.end_s)


# Who is recorded.


def test_mice_lose_areas_and_a_missed_one_is_cortex_without_name():
    met = [set(draw_population(PROFILES["brain-observatory"], rng(s)).area) for s in range(12)]
    lost = [mouse for mouse in met if not set(areas.VISUAL_CORTEX) <= mouse]
    assert 3 < len(lost) <= 12
    assert all((areas.UNNAMED_CORTEX in mouse) == (mouse in lost) for mouse in met)
    assert sum("VISp" in mouse for mouse in met) > sum("VISpm" in mouse for mouse in met)


def test_a_probe_that_misses_its_area_passes_unnamed_cortex():
    channels = lay_probes("CD", ["VISp", areas.UNNAMED_CORTEX, "CA1"])
    assert set(channels.area[channels.probe == "probeC"]) == {"VISp", "CA1", ""}
    assert set(channels.area[channels.probe == "probeD"]) == {areas.UNNAMED_CORTEX, "CA1", ""}


def test_population_has_the_published_numbers():
    drawn = [draw_population(PROFILES["brain-observatory"], rng(seed)) for seed in range(20)]
    units = np.array([len(population) for population in drawn])
    passing = np.array([population.passes.sum() for population in drawn])
    assert 1191 * 0.8 < units.mean() < 2779 * 0.8
    assert passing.sum() / units.sum() == pytest.approx(0.40, abs=0.03)
    visp = [(p.passes & (p.area == "VISp")).sum() for p in drawn if (p.area == "VISp").any()]
    assert np.mean(visp) == pytest.approx(63, abs=15)
    fast = np.concatenate([p.fast_spiking[p.area == "VISp"] for p in drawn])
    assert fast.mean() == pytest.approx(0.17, abs=0.03)


# Pictures and receptive fields.


def test_scenes_have_the_spectrum_of_natural_pictures():
    pictures = images.natural_scenes()
    assert pictures.shape == (118, images.SCREEN_ROWS, images.SCREEN_COLUMNS)
    assert np.abs(pictures).max() <= 1
    square = pictures[:, :90, :90] - pictures[:, :90, :90].mean((1, 2), keepdims=True)
    power = (np.abs(np.fft.fft2(square * np.outer(np.hanning(90), np.hanning(90)))) ** 2).mean(0)
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(90), np.fft.fftfreq(90))) * 90
    rings = np.array([power[(radius >= r - 0.5) & (radius < r + 0.5)].mean() for r in range(2, 31)])
    slope = np.polyfit(np.log(np.arange(2, 31)), np.log(rings), 1)[0]
    assert -3.2 < slope < -1.6


def unit(**changes):
    values = {
        "x_deg": 0.0,
        "y_deg": 0.0,
        "orientation": np.pi / 6,
        "cpd": 0.04,
        "phase": 0.0,
        "size_deg": 9.0,
        "aspect": 1.2,
        "isotropic": 0.0,
        "complexity": 1.0,
        "light": 0.0,
    }
    return fields.Fields(**{k: np.array([v]) for k, v in (values | changes).items()})


def shown(orientation, frequency, phase=0.0):
    return images.grating(orientation, frequency, phase)[None]


def test_a_field_prefers_its_own_grating():
    at = {deg: fields.responses(unit(), shown(deg, 0.04))[0, 0] for deg in range(0, 180, 30)}
    assert max(at, key=at.get) == 30
    assert at[30] > 0.5 > 10 * at[120]
    across = {cpd: fields.responses(unit(), shown(30, cpd))[0, 0] for cpd in (0.02, 0.04, 0.08)}
    assert max(across, key=across.get) == 0.04


def test_simple_fields_are_bound_to_phase_and_complex_ones_are_not():
    phases = np.arange(0, 1, 0.25)
    pictures = np.concatenate([shown(30, 0.04, phase) for phase in phases])
    simple = fields.responses(unit(complexity=0.0), pictures)[0]
    whole = fields.responses(unit(complexity=1.0), pictures)[0]
    assert simple.min() < 0.01 < simple.max()
    assert whole.min() > 0.9 * whole.max()


def test_contrast_about_the_field_divides_the_response(monkeypatch):
    grating = shown(30, 0.04)
    mask = grating + shown(120, 0.04)
    alone, masked = (fields.responses(unit(), picture)[0, 0] for picture in (grating, mask))
    assert masked < 0.95 * alone
    assert fields.responses(unit(), np.zeros_like(grating))[0, 0] == 0
    monkeypatch.setattr(fields, "POOL_WEIGHT", 0.0)
    assert fields.responses(unit(), mask)[0, 0] > 0.98 * fields.responses(unit(), grating)[0, 0]


# Time: the point process and the state.


def train(seed=0, base=10.0, evoked=0.0, volley=0.0, engaged=1.0, trials=400, refractory=0.0):
    """Spike times of one unit shown a picture for 0.25 s in every second."""
    start = np.sort(np.concatenate([np.arange(trials) + 0.0, np.arange(trials) + 0.25]))
    stop = np.append(start[1:], trials)
    picture = np.tile([0, GREY], trials)
    steps = int(trials / brain_state.STEP_S) + 10
    out = np.empty(200 * trials)
    rates = np.array([evoked], np.float32)
    count = unit_spikes(
        seed,
        start,
        stop,
        picture,
        np.ones(len(start), bool),
        rates,
        rates,
        np.zeros(1),
        0.0,
        0.0,
        base,
        volley,
        0.05,
        0.01,
        0.04,
        refractory,
        np.ones(steps),
        np.full(steps, engaged, np.float32),
        out,
    )
    assert count <= len(out)
    return out[:count]


def test_spikes_without_a_picture_are_a_poisson_process():
    times = train(base=20.0)
    assert len(times) == pytest.approx(20 * 400, abs=4 * np.sqrt(8000))
    assert kstest(np.diff(times), "expon", args=(0, 1 / 20)).pvalue > 1e-3


def test_nothing_answers_before_the_latency():
    phase = train(base=5.0, evoked=60.0) % 1.0
    early = (phase < 0.05).sum() / 400 / 0.05
    late = ((phase > 0.10) & (phase < 0.25)).sum() / 400 / 0.15
    assert early == pytest.approx(5.0, abs=4 * np.sqrt(5 / 400 / 0.05))
    assert late == pytest.approx(65.0, rel=0.06)
    # What was shown goes on for the latency after it has gone, then decays.
    after = ((phase > 0.26) & (phase < 0.30)).sum() / 400 / 0.04
    gone = ((phase > 0.40) & (phase < 1.0)).sum() / 400 / 0.6
    assert after == pytest.approx(65.0, rel=0.12)
    assert gone == pytest.approx(5.0, rel=0.15)


def test_a_lapse_leaves_the_spontaneous_rate():
    times = train(base=5.0, evoked=60.0, volley=200.0, engaged=0.0)
    assert len(times) == pytest.approx(5 * 400, abs=4 * np.sqrt(2000))


def test_no_spike_within_the_refractory_period():
    gaps = np.diff(train(base=80.0, refractory=0.003))
    assert gaps.min() >= 0.003
    assert gaps.min() < 0.0035


def test_lapses_fill_a_share_of_the_time_in_short_bouts():
    kept = [brain_state.draw_state(1, 3000.0, rng(seed)).engaged for seed in range(20)]
    shares = [(one < 0.5).mean() for one in kept]
    expected = brain_state.LAPSE_A / (brain_state.LAPSE_A + brain_state.LAPSE_B)
    assert np.mean(shares) == pytest.approx(expected, abs=0.05)
    assert {round(float(v), 3) for v in np.unique(kept)} == {brain_state.LAPSE_RESPONSE, 1.0}
    starts = sum((np.diff((one < 0.5).astype(int)) == 1).sum() for one in kept)
    length = np.sum([(one < 0.5).sum() for one in kept]) * brain_state.STEP_S / starts
    assert length == pytest.approx(brain_state.LAPSE_S, rel=0.1)


def test_wander_has_its_variance_and_time_constant():
    path = brain_state.wander(50, 4000, 0.05, 0.5, rng())
    assert path.std() == pytest.approx(1.0, abs=0.03)
    lag = np.mean(path[:, 10:] * path[:, :-10])
    assert lag == pytest.approx(np.exp(-1), abs=0.05)


# Flaws.


def test_every_failing_unit_has_a_flaw_and_no_passing_one_has():
    passes = rng().random(4000) < 0.4
    flaws = quality.draw_flaws(passes, rng(1))
    cut = flaws.amplitude_cutoff > 0.1
    absent = (flaws.active[:, 1] - flaws.active[:, 0]) < 0.95
    mixed = flaws.mixed > 0
    np.testing.assert_array_equal(cut | absent | mixed, ~passes)
    assert not flaws.is_noise[passes].any()
    assert flaws.is_noise.mean() == pytest.approx(quality.NOISE_SHARE, abs=0.01)


def test_metrics_are_measured_on_the_spikes():
    times = np.sort(rng().uniform(0, 100, 2000))
    assert quality.presence_ratio(times, 100.0) == 1.0
    assert quality.presence_ratio(times[times < 50], 100.0) == 0.5
    regular = np.arange(0, 100, 0.05)
    assert quality.isi_violations(regular, 100.0) == 0
    doubled = quality.double_detections(regular, 0.6, 100.0, rng())
    assert quality.isi_violations(np.sort(doubled), 100.0) == pytest.approx(0.6, rel=0.35)

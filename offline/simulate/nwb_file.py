"""A simulated mouse as an NWB file in Allen's own layout, written with h5py alone.

The layout is that of the session files of Allen's Visual Coding - Neuropixels,
as AllenSDK 2.16 reads them: units with ragged spike times and their peak
channel, electrodes with an area each, one interval table a stimulus, running
speed. What the simulator does not make (waveforms, spike amplitudes, LFP, eye
tracking) is absent or empty. The file says in ``session_description`` that its
data are simulated.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from offline.simulate import nwb_schema
from offline.simulate.mouse import Mouse
from offline.simulate.nwb_table import add_ragged, add_table, mark
from offline.simulate.stimuli import STIMULI
from offline.simulate.timetable import PresentationTable

NWB_VERSION = "2.6.0"
DESCRIPTION = (
    "SIMULATED data, no recording of an animal: model neurons with receptive fields, made by "
    "'rtdecode simulate' (profile {profile}, seed {seed}, mouse {mouse}) in the layout of the "
    "Allen Brain Observatory, Visual Coding - Neuropixels"
)
SAMPLING_HZ = 30_000.0
WAVEFORM_SAMPLES = 82
SESSION_START = datetime(2020, 1, 1, tzinfo=UTC)


def write_mouse(path: Path, mouse: Mouse, profile: str, seed: tuple[int, int]) -> None:
    """Write one mouse to ``path``, which must not exist.

    The file grows under a name of its own and gets ``path`` when it is whole.
    """
    part = path.with_name(path.name + ".part")
    with h5py.File(part, "w") as file:
        ids = Ids(seed)
        _write_head(file, DESCRIPTION.format(profile=profile, seed=seed[0], mouse=seed[1]), ids)
        _write_schema(file)
        _write_subject(file, seed)
        _write_probes(file, mouse, ids)
        _write_electrodes(file, mouse, ids)
        _write_units(file, mouse, ids)
        for index, table in enumerate(mouse.tables):
            _write_presentations(file, table, index)
        _write_invalid_times(file, mouse, ids)
        _write_running(file, mouse)
    part.replace(path)


class Ids:
    """Ids that no two simulated mice share, all below 2**31.

    Parameters
    ----------
    seed : (int, int)
        The run's seed and the mouse's number in it.
    """

    ROOM = 4096

    def __init__(self, seed: tuple[int, int]) -> None:
        # 128 mice a seed; seeds repeat their ids after 2,048.
        serial = seed[0] % 2048 * 128 + seed[1] % 128
        self.session = 900_000_000 + serial
        self.first_unit = 1_000_000_000 + serial * self.ROOM
        self.first_channel = 1_000_000_000 + serial * self.ROOM
        self.first_probe = 800_000_000 + serial * 8

    def probe(self, name: str) -> int:
        """Id of ``probeA`` to ``probeF``."""
        return self.first_probe + "ABCDEF".index(name[-1])

    def units(self, count: int) -> NDArray[np.int64]:
        """Ids in an order of their own, as in the real files."""
        shuffled = np.random.default_rng(self.session).permutation(count)
        return self.first_unit + shuffled.astype(np.int64)

    def channels(self, count: int) -> NDArray[np.int64]:
        """Ids of all channels, probe after probe."""
        return self.first_channel + np.arange(count, dtype=np.int64)


def _write_head(file: h5py.File, description: str, ids: Ids) -> None:
    mark(file, "NWBFile")
    file.attrs["nwb_version"] = NWB_VERSION
    for name in ("acquisition", "analysis", "stimulus/presentation", "stimulus/templates"):
        file.create_group(name)
    when = SESSION_START.isoformat()
    file["session_description"] = description
    file["identifier"] = str(ids.session)
    file["session_start_time"] = when
    file["timestamps_reference_time"] = when
    file.create_dataset("file_create_date", data=[when], dtype=h5py.string_dtype())
    file["general/session_id"] = str(ids.session)
    file["general/institution"] = "rtdecode simulator"
    file["general/stimulus"] = "brain_observatory_1.1"


def _write_schema(file: h5py.File) -> None:
    group = file.create_group("specifications")
    file.attrs[".specloc"] = group.ref
    version = group.create_group(f"{nwb_schema.NAMESPACE}/{nwb_schema.VERSION}")
    version["namespace"] = nwb_schema.namespace_json()
    version[nwb_schema.SOURCE] = nwb_schema.types_json()


def _write_subject(file: h5py.File, seed: tuple[int, int]) -> None:
    subject = file.create_group("general/subject")
    mark(subject, "EcephysSpecimen", nwb_schema.NAMESPACE)
    subject.attrs["specimen_name"] = f"simulated-{seed[0]}-{seed[1]}"
    subject.attrs["age_in_days"] = 110.0
    subject.attrs["strain"] = "simulated"
    subject["age"] = "P110D"
    subject["genotype"] = "simulated"
    subject["sex"] = "U"
    subject["species"] = "Mus musculus"
    subject["subject_id"] = str(900_000 + seed[0] % 2048 * 128 + seed[1])


def _write_probes(file: h5py.File, mouse: Mouse, ids: Ids) -> None:
    for name in np.unique(mouse.population.channels.probe):
        device = file.create_group(f"general/devices/{name}")
        mark(device, "EcephysProbe", nwb_schema.NAMESPACE)
        device.attrs["description"] = "Neuropixels 1.0 Probe (simulated)"
        device.attrs["manufacturer"] = "imec"
        device.attrs["sampling_rate"] = SAMPLING_HZ
        device.attrs["probe_id"] = ids.probe(name)
        group = file.create_group(f"general/extracellular_ephys/{name}")
        mark(group, "EcephysElectrodeGroup", nwb_schema.NAMESPACE)
        group.attrs["description"] = "Ecephys Electrode Group"
        group.attrs["location"] = "See electrode locations"
        group.attrs["has_lfp_data"] = False
        group.attrs["probe_id"] = ids.probe(name)
        group.attrs["lfp_sampling_rate"] = float("nan")
        group["device"] = h5py.SoftLink(device.name)


def _write_electrodes(file: h5py.File, mouse: Mouse, ids: Ids) -> None:
    channels = mouse.population.channels
    rows = len(channels)
    unknown = np.full(rows, np.nan)
    groups = [file[f"general/extracellular_ephys/{name}"].ref for name in channels.probe]
    columns = {
        "x": unknown,
        "y": unknown,
        "z": unknown,
        "imp": unknown,
        "location": channels.area,
        "filtering": np.full(rows, "AP band: 500 Hz high-pass; LFP band: 1000 Hz low-pass"),
        "group": np.array(groups, dtype=h5py.ref_dtype),
        "group_name": channels.probe,
        "probe_vertical_position": channels.vertical_um.astype(np.int64),
        "probe_horizontal_position": channels.horizontal_um.astype(np.int64),
        "probe_id": np.array([ids.probe(name) for name in channels.probe]),
        "local_index": channels.number,
        "valid_data": np.ones(rows, bool),
    }
    place = file["general/extracellular_ephys"]
    add_table(place, "electrodes", "DynamicTable", ids.channels(rows), columns)


def _write_units(file: h5py.File, mouse: Mouse, ids: Ids) -> None:
    population = mouse.population
    units = len(population)
    channel_ids = ids.channels(len(population.channels))
    columns = {
        "peak_channel_id": channel_ids[population.channel],
        "local_index": np.arange(units),
        "cluster_id": np.arange(units),
        "quality": np.where(mouse.is_noise, "noise", "good"),
        **mouse.metrics,
    }
    table = add_table(file, "units", "Units", ids.units(units), columns)
    ends = np.cumsum([len(times) for times in mouse.spike_times_s])
    spikes = add_ragged(table, "spike_times", ends, np.float64)
    for times, end in zip(mouse.spike_times_s, ends, strict=True):
        spikes[end - len(times) : end] = times
    # AllenSDK asks for both columns; neither is simulated.
    nothing = np.zeros(units, np.int64)
    add_ragged(table, "spike_amplitudes", nothing, np.float64)
    waveforms = add_ragged(table, "waveform_mean", nothing, np.float32, (WAVEFORM_SAMPLES,))
    waveforms.attrs["unit"] = "volts"


def _write_presentations(file: h5py.File, table: PresentationTable, index: int) -> None:
    rows = len(table.start_s)
    columns = {
        "start_time": table.start_s,
        "stop_time": table.stop_s,
        "stimulus_name": np.full(rows, table.stimulus),
        "stimulus_index": np.full(rows, float(index)),
    }
    if table.stimulus in STIMULI:
        columns["stimulus_block"] = table.block
        columns.update(STIMULI[table.stimulus].table_columns(table.condition))
    place = file.require_group("intervals")
    name = f"{table.stimulus}_presentations"
    intervals = add_table(place, name, "TimeIntervals", np.arange(rows), columns)
    add_ragged(intervals, "tags", np.arange(1, rows + 1), h5py.string_dtype())[:] = np.full(
        rows, "stimulus_time_interval", dtype=object
    )


def _write_invalid_times(file: h5py.File, mouse: Mouse, ids: Ids) -> None:
    if len(mouse.invalid_s) == 0:
        return
    rows = len(mouse.invalid_s)
    columns = {"start_time": mouse.invalid_s[:, 0], "stop_time": mouse.invalid_s[:, 1]}
    place = file.require_group("intervals")
    intervals = add_table(place, "invalid_times", "TimeIntervals", np.arange(rows), columns)
    tags = np.array(["EcephysSession", str(ids.session), "stimulus"] * rows, dtype=object)
    add_ragged(intervals, "tags", 3 * np.arange(1, rows + 1), h5py.string_dtype())[:] = tags


def _write_running(file: h5py.File, mouse: Mouse) -> None:
    module = file.create_group("processing/running")
    mark(module, "ProcessingModule")
    module.attrs["description"] = "running speed data"
    step = mouse.running_times_s[1] - mouse.running_times_s[0]
    ends = mouse.running_times_s + step
    _add_series(module, "running_speed", mouse.running_cm_s, mouse.running_times_s)
    _add_series(module, "running_speed_end_times", np.full(len(ends), np.nan), ends)


def _add_series(
    module: h5py.Group, name: str, values: NDArray[np.float64], times_s: NDArray[np.float64]
) -> None:
    series = module.create_group(name)
    mark(series, "TimeSeries")
    series.attrs["description"] = "no description"
    series.attrs["comments"] = "no comments"
    data = series.create_dataset("data", data=values)
    data.attrs.update({"unit": "cm/s", "conversion": 1.0, "resolution": -1.0, "offset": 0.0})
    stamps = series.create_dataset("timestamps", data=times_s)
    stamps.attrs.update({"unit": "seconds", "interval": np.int32(1)})

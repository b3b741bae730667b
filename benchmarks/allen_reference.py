"""Write a session with AllenSDK's own writer classes, as a reference for our reader.

Channels, units, probes and presentations go through the classes with which the
Allen Institute wrote its files (``allensdk.brain_observatory.ecephys``), so
that the file is theirs in every dataset. Needs the extra ``allen``.
"""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PROBE_ID = 700_000_000
CHANNEL_ID = 800_000_000
UNIT_ID = 900_000_000
CHANNELS = 16


def make_probe(
    number: int, areas: Sequence[str], valid: Sequence[bool], units: Sequence[Any]
) -> Any:
    """Make probe ``number`` with sixteen channels, 40 um apart.

    Parameters
    ----------
    areas, valid : sixteen areas (empty outside the brain) and flags
    units : sequence of AllenSDK's Unit
    """
    from allensdk.brain_observatory.ecephys._channel import Channel
    from allensdk.brain_observatory.ecephys._channels import Channels
    from allensdk.brain_observatory.ecephys._probe import Probe
    from allensdk.brain_observatory.ecephys._units import Units

    channels = [
        Channel(
            id=channel_id(number, row),
            probe_id=PROBE_ID + number,
            valid_data=bool(valid[row]),
            probe_channel_number=row,
            probe_vertical_position=20 + 40 * row,
            probe_horizontal_position=16 * (row % 4),
            structure_acronym=areas[row],
            # As in Allen's own files, the annotation is written in full.
            strip_structure_subregion=False,
        )
        for row in range(CHANNELS)
    ]
    name = f"probe{chr(ord('A') + number)}"
    return Probe(PROBE_ID + number, name, Channels(channels), Units(list(units)))


def channel_id(probe: int, row: int) -> int:
    """Id of the channel in this row of a probe."""
    return CHANNEL_ID + 1000 * probe + row


def make_unit(
    number: int,
    peak_channel_id: int,
    spike_times: NDArray[np.float64],
    *,
    quality: str = "good",
    metrics: Mapping[str, float],
) -> Any:
    """Make a unit whose id is ``UNIT_ID + number``; metrics by AllenSDK's argument names."""
    from allensdk.brain_observatory.ecephys._unit import Unit

    needed = {"firing_rate": 5.0, "isi_violations": 0.0, "presence_ratio": 1.0}
    return Unit(
        id=UNIT_ID + number,
        peak_channel_id=peak_channel_id,
        local_index=number,
        cluster_id=number,
        quality=quality,
        mean_waveforms=np.zeros(8),
        spike_amplitudes=np.full(len(spike_times), 1e-4),
        spike_times=spike_times,
        **({"amplitude_cutoff": 0.01} | needed | dict(metrics)),
    )


def write_reference(
    path: Path,
    probes: Sequence[Any],
    presentations: Any,
    *,
    invalid: Sequence[Mapping[str, Any]] = (),
    running: Any = None,
) -> None:
    """Write one session.

    Parameters
    ----------
    path : Path
    probes : sequence of AllenSDK's Probe
    presentations : DataFrame
        With ``start_time``, ``stop_time`` and ``stimulus_name``.
    invalid : sequence of mapping
        ``type``, ``id``, ``label``, ``start_time``, ``end_time`` of each.
    running : DataFrame, optional
        With ``start_time``, ``end_time``, ``velocity`` and ``net_rotation``.
    """
    import pynwb
    from allensdk.brain_observatory.behavior.data_objects.stimuli import presentations as stimuli
    from allensdk.brain_observatory.ecephys.probes import Probes
    from allensdk.brain_observatory.ecephys.write_nwb.__main__ import add_running_speed_to_nwbfile
    from allensdk.brain_observatory.nwb import add_invalid_times, add_stimulus_timestamps

    nwbfile = pynwb.NWBFile(
        session_description="Data and metadata for an Ecephys session",
        identifier="715093703",
        session_id="715093703",
        session_start_time=datetime.datetime(2019, 1, 1, tzinfo=datetime.UTC),
        institution="Allen Institute",
    )
    # AllenSDK writes with pandas idioms and old arguments that now warn.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        add_stimulus_timestamps(nwbfile, presentations["start_time"].values)
        stimuli.Presentations(presentations, sort_columns=False).to_nwb(nwbfile)
        add_invalid_times(nwbfile, list(invalid))
        Probes(list(probes)).to_nwb(nwbfile)
        if running is not None:
            add_running_speed_to_nwbfile(nwbfile, running)
        with pynwb.NWBHDF5IO(str(path), "w") as file:
            file.write(nwbfile, cache_spec=True)

"""Simulated mice: recordings in Allen's NWB layout from a model of the mouse visual system.

The data are simulated. What the model is made of stands in its parts:
``images`` and ``stimuli`` (what is seen), ``timetable`` and ``profiles`` (when),
``areas`` and ``population`` (which units), ``fields`` and ``drives`` (how
strongly a picture drives a unit), ``brain_state`` (gain, running, drift),
``spikes`` (the point process), ``quality`` (units that fail the filter),
``mouse`` (all together) and ``nwb_file`` (the file).
``benchmarks/simulator_vs_published.py`` holds it against published numbers.
"""

from __future__ import annotations

from pathlib import Path

from rtdecode.errors import UserError
from rtdecode.files import made_folder

PROFILE_NAMES = ("small", "scenes-and-gratings", "brain-observatory")


def session_path(out: Path, profile: str, seed: int, mouse: int) -> Path:
    """Where ``simulate`` writes one mouse."""
    return out / f"simulated-{profile}-s{seed:04d}-m{mouse:02d}.nwb"


def simulate(
    out: Path,
    mice: int = 1,
    seed: int = 0,
    profile: str = "scenes-and-gratings",
    force: bool = False,
    progress: bool = False,
) -> list[Path]:
    """Simulate mice and write each as an NWB file.

    Parameters
    ----------
    out : Path
        Folder to write to; made where it does not exist.
    mice : int
        How many.
    seed : int
        The same seed gives the same mice, whatever their number.
    profile : str
        One of ``PROFILE_NAMES``.
    force : bool
        Write over files that are there.
    progress : bool
        Show a bar.

    Returns
    -------
    list of Path
        The files, mouse after mouse.

    Raises
    ------
    UserError
        If the profile or a number makes no sense, or a file is there already.
    """
    if profile not in PROFILE_NAMES:
        raise UserError(f"expected a profile of {', '.join(PROFILE_NAMES)}; found {profile!r}")
    if mice < 1 or seed < 0:
        raise UserError(
            f"expected at least one mouse and a seed of 0 or more; found {mice} mice, seed {seed}"
        )
    paths = [session_path(out, profile, seed, mouse) for mouse in range(mice)]
    there = [path for path in paths if path.exists()]
    if there and not force:
        raise UserError(f"{there[0]} is there already: choose another folder or pass --force")
    if out.exists() and not out.is_dir():
        raise UserError(f"expected a folder to write to; {out} is a file: choose another name")
    made_folder(out)
    from offline.simulate.cohort import write_cohort

    write_cohort(paths, profile, seed, progress)
    return paths

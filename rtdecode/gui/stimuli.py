"""Pictures of stimuli: thumbnails from a folder, drawn patches for gratings and flashes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtdecode.errors import UserError

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp")
#: Side of a drawn patch, pixels, and the visual angle it stands for, degrees.
PATCH_PX, PATCH_DEGREES = 192, 50.0
GREY = 127
#: Where a label or marker does not say, a grating looks like this.
USUAL = {"orientation": 0.0, "spatial_frequency": 0.08, "phase": 0.0, "contrast": 0.8}


def image_files(folder: Path) -> dict[str, Path]:
    """Pictures of a folder by label: the whole stem, and its number without leading zeros.

    ``scene_007.png`` is found as ``scene_007`` and, if no other file ends in that number,
    as ``7``.

    Raises
    ------
    UserError
        If there is no such folder or no picture in it.
    """
    if not folder.is_dir():
        raise UserError(f"expected a folder of pictures at {folder}; it is none: name another")
    files = sorted(f for f in folder.iterdir() if f.suffix.lower() in IMAGE_ENDINGS)
    if not files:
        wanted = ", ".join(IMAGE_ENDINGS)
        raise UserError(f"expected pictures ({wanted}) in {folder}, found none: name another")
    by_number: dict[str, list[Path]] = {}
    for file in files:
        if number := re.search(r"(\d+)$", file.stem):
            by_number.setdefault(str(int(number[1])), []).append(file)
    unique = {number: found[0] for number, found in by_number.items() if len(found) == 1}
    return unique | {file.stem: file for file in files}


@dataclass(frozen=True)
class Drawn:
    """What can be drawn of a stimulus without a picture of it."""

    values: Mapping[str, float]
    flash: float | None = None


def drawn_stimulus(task: str, label: str, stimulus: Mapping[str, Any]) -> Drawn | None:
    """What a label of a task stands for, if it is one that can be drawn.

    Parameters
    ----------
    task : str
        ``TABLE.COLUMN`` or a task's name.
    label : str
    stimulus : mapping
        The marker's own values where the true stimulus is drawn; empty for a decoded label.
    """
    table, _, column = task.partition(".")
    if "grating" not in table and "flash" not in table:
        return None
    told = {
        key: number for key, value in stimulus.items() if (number := _number(value)) is not None
    }
    number = _number(label)
    if number is None:
        return None
    if "flash" in table:
        return Drawn({}, flash=number)
    named = column or ("orientation" if "orientation" in task or "direction" in task else "")
    if named not in USUAL:
        return None
    return Drawn({**USUAL, **{k: told[k] for k in USUAL if k in told}, named: number})


def patch(drawn: Drawn) -> NDArray[np.uint8]:
    """Draw a stimulus, (`PATCH_PX`, `PATCH_PX`) uint8 grey.

    A grating of orientation 0 has vertical bars, and turns counter-clockwise with rising
    orientation, as the Allen Institute's (white paper, Visual Coding - Neuropixels).
    """
    if drawn.flash is not None:
        level = round(GREY + GREY * np.clip(drawn.flash, -1, 1))
        return np.full((PATCH_PX, PATCH_PX), level, np.uint8)
    values = drawn.values
    across = np.linspace(-0.5, 0.5, PATCH_PX) * PATCH_DEGREES
    x, y = np.meshgrid(across, -across)
    angle = np.deg2rad(values["orientation"])
    along = x * np.cos(angle) + y * np.sin(angle)
    wave = np.sin(2 * np.pi * (values["spatial_frequency"] * along + values["phase"]))
    return np.asarray(GREY + GREY * np.clip(values["contrast"], 0, 1) * wave, np.uint8)


def _number(value: object) -> float | None:
    try:
        number = float(value) if isinstance(value, (str, int, float)) else None
    except ValueError:
        return None
    return number if number is not None and np.isfinite(number) else None

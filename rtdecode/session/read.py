"""Read a session from wherever it lies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rtdecode.session.model import Session
from rtdecode.session.nwb import read_nwb
from rtdecode.session.quality import QualityFilter

DEFAULT_QUALITY = QualityFilter()


def read_session(
    path: str | Path,
    *,
    quality: QualityFilter | None = DEFAULT_QUALITY,
    areas: Sequence[str] = (),
) -> Session:
    """Read a session by path, without changing anything there.

    Parameters
    ----------
    path : str or Path
        An NWB file.
    quality : QualityFilter or None
        Which units to keep; Allen's default filter if not given, every unit if
        ``None``.
    areas : sequence of str
        Keep units of these areas alone; all if empty.

    Returns
    -------
    Session

    Raises
    ------
    UserError
        If there is no session at the path, or no unit is left.
    """
    return read_nwb(Path(path), quality or QualityFilter.off(), areas)

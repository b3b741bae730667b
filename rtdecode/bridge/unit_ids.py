"""Unit ids that stay: a table of (stream, electrode, sorted id), written once and reused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from rtdecode.errors import UserError
from rtdecode.session.model import Units

FORMAT = "rtdecode-units-1"
LARGEST_ID = 2**31 - 1  # what a row of the stream carries
Key = tuple[str, str, int]


class UnitIds:
    """Ids by what the acquisition system calls a unit; new ones are added as they come.

    Parameters
    ----------
    path : Path or None
        Where the table is kept; None for nowhere.
    first_id : int
        New ids begin here, so that those of two tables differ.

    Raises
    ------
    UserError
        If there is a file and it is no such table, or no folder for it.
    """

    def __init__(self, path: Path | None, first_id: int = 1) -> None:
        self._path = path
        self._ids: dict[Key, int] = {}
        self._fresh = False
        if path is not None and not path.parent.is_dir():
            raise UserError(
                f"expected a folder for the table of units at {path.parent}, found none: make it, "
                "or name another table with --units"
            )
        if path is not None and path.exists():
            self._ids = _read(path)
        self._next = max(first_id, max(self._ids.values(), default=0) + 1)

    def __len__(self) -> int:
        return len(self._ids)

    def id_of(self, key: Key) -> int:
        """The unit's id, a new one where it has none yet."""
        found = self._ids.get(key)
        if found is None:
            found = self._ids[key] = self._next
            self._next += 1
            self._fresh = True
        return found

    def units(self, stream: str = "") -> Units:
        """As a spike stream's description tells them; a probe is a stream, empty for all."""
        keys = [key for key in self._ids if stream in ("", key[0])]
        return Units(
            np.array([self._ids[key] for key in keys], np.int64),
            np.full(len(keys), ""),
            np.full(len(keys), np.nan),
            np.array([stream for stream, _, _ in keys], np.str_),
        )

    def save(self) -> None:
        """Write the table if a unit was added; whole or not at all.

        Raises
        ------
        UserError
            If the disk does not take it.
        """
        if self._path is None or not self._fresh:
            return
        rows = [
            {"id": unit_id, "stream": stream, "electrode": electrode, "sorted_id": sorted_id}
            for (stream, electrode, sorted_id), unit_id in self._ids.items()
        ]
        lines = ",\n".join(json.dumps(row) for row in rows)
        part = self._path.with_name(self._path.name + ".part")
        try:
            part.write_text(f'{{"format": "{FORMAT}", "units": [\n{lines}\n]}}\n')
            part.replace(self._path)
        except OSError as error:
            raise UserError(
                f"expected to write the table of units to {self._path}, found "
                f"{error.strerror or error}: make room, or name another with --units"
            ) from error
        self._fresh = False


def _read(path: Path) -> dict[Key, int]:
    try:
        table = json.loads(path.read_text())
        if table["format"] != FORMAT:
            raise ValueError(table["format"])
        ids = {
            (str(row["stream"]), str(row["electrode"]), int(row["sorted_id"])): int(row["id"])
            for row in table["units"]
        }
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise UserError(
            f"expected a table of units ({FORMAT}) in {path}, found another file ({error}): "
            "name another with --units"
        ) from error
    fit = all(0 <= unit_id <= LARGEST_ID for unit_id in ids.values())
    if len(set(ids.values())) < len(table["units"]) or not fit:
        raise UserError(
            f"expected ids from 0 to {LARGEST_ID}, each once, in {path}, found some twice, below "
            "or beyond: mend it"
        )
    return ids

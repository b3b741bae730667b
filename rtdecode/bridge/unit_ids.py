"""Unit ids that stay: a table of (stream, electrode, sorted id), written once and reused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from rtdecode.errors import UserError
from rtdecode.session.model import Units

FORMAT = "rtdecode-units-1"
Key = tuple[str, str, int]


class UnitIds:
    """Ids by what the acquisition system calls a unit; new ones are added as they come.

    Parameters
    ----------
    path : Path or None
        Where the table is kept; None for nowhere.

    Raises
    ------
    UserError
        If there is a file and it is no such table.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._ids: dict[Key, int] = {}
        self._fresh = False
        if path is not None and path.exists():
            self._ids = _read(path)
        self._next = max(self._ids.values(), default=0) + 1

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

    def units(self) -> Units:
        """As a spike stream's description tells them; a probe is a stream."""
        keys = list(self._ids)
        return Units(
            np.array(list(self._ids.values()), np.int64),
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
        rows = [
            (row["stream"], row["electrode"], row["sorted_id"], row["id"]) for row in table["units"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"expected a table of units ({FORMAT}) in {path}, found another file ({error}): "
            "name another with --units"
        ) from error
    ids = {(str(s), str(e), int(i)): int(unit_id) for s, e, i, unit_id in rows}
    if len(set(ids.values())) < len(rows) or min(ids.values(), default=0) < 0:
        raise UserError(
            f"expected ids from 0 up, each once, in {path}, found some twice or below 0: mend it"
        )
    return ids

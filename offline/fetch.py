"""Fetch recorded sessions from the Allen Institute's warehouse.

AllenSDK's ``EcephysProjectCache`` says which sessions there are and where they
lie. It is never shown the folder they go to: its own way of reading a session
deletes a file that it cannot read. Files come over HTTP into a ``.part`` file,
which is checked and only then gets its name.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
    track,
)
from rich.table import Table

from offline.download import download, size_of
from rtdecode.errors import UserError
from rtdecode.files import made_folder
from rtdecode.session.hdf5 import open_nwb, read_text, subgroup

HOST = "api.brain-map.org"
PROBE_S = 8.0
GB = 1e9
NO_NETWORK = "check the network, or use sessions that are there already"

console = Console(stderr=True)


@dataclass(frozen=True)
class Listed:
    """A session as the warehouse lists it."""

    session_id: int
    session_type: str
    genotype: str
    sex: str
    age_days: float


class Warehouse:
    """The Allen Institute's list of sessions.

    Parameters
    ----------
    cache : EcephysProjectCache
    """

    def __init__(self, cache: Any) -> None:
        self._api = cache.fetch_api

    def sessions(self) -> list[Listed]:
        """List every session that has a file, by id.

        Raises
        ------
        UserError
            If the warehouse cannot be reached.
        """
        with _asking("the list of sessions"):
            table = self._api.get_sessions()
        return [
            Listed(
                int(identity),
                str(row["session_type"]),
                str(row["genotype"]),
                str(row["sex"]),
                float(row["age_in_days"]),
            )
            for identity, row in table.sort_index().iterrows()
            if row["has_nwb"]
        ]

    def url(self, session_id: int) -> str:
        """Address of a session's file.

        Raises
        ------
        UserError
            If the warehouse cannot be reached.
        """
        engine = self._api.rma_engine
        # AllenSDK would stream from the link without resuming; here it only tells the link.
        engine.stream = lambda link: f"{engine.scheme}://{engine.host}/{link.lstrip('/')}"
        with _asking(f"session {session_id}"):
            return str(self._api.get_session_data(session_id))


@contextmanager
def open_warehouse(host: str = HOST) -> Iterator[Warehouse]:
    """Open the warehouse.

    Raises
    ------
    UserError
        If AllenSDK is not installed or the host cannot be reached.
    """
    try:
        from allensdk.brain_observatory.ecephys.ecephys_project_cache import EcephysProjectCache
    except ImportError:
        raise UserError(
            "fetching needs AllenSDK, which needs Python 3.11: pip install 'rtdecode[allen]'"
        ) from None
    _check_reachable(host)
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "manifest.json"
        yield Warehouse(
            EcephysProjectCache.from_warehouse(scheme="http", host=host, manifest=str(manifest))
        )


def _check_reachable(host: str) -> None:
    """Fail at once without network: AllenSDK asks without any time-out."""
    try:
        with urllib.request.urlopen(f"http://{host}/", timeout=PROBE_S):
            pass
    except urllib.error.HTTPError:
        pass  # an answer, whatever it says
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise UserError(f"cannot reach {host} ({reason}): {NO_NETWORK}") from error


@contextmanager
def _asking(what: str) -> Iterator[None]:
    """Turn what AllenSDK raises about a question into a UserError."""
    from allensdk.brain_observatory.ecephys.ecephys_project_api.rma_engine import RmaRequestError

    try:
        yield
    # requests' own errors are OSErrors, and ValueErrors where the answer is no JSON.
    except (OSError, RmaRequestError, ValueError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"the Allen warehouse did not tell {what} ({reason}): {NO_NETWORK}"
        ) from error


def run_fetch(
    ids: Sequence[int],
    out: Path,
    *,
    show_list: bool = False,
    all_of: str = "",
    host: str = HOST,
) -> None:
    """List sessions, or fetch some into a folder.

    Parameters
    ----------
    ids : sequence of int
        Sessions to fetch.
    out : Path
        Folder; a session becomes ``session_<id>.nwb`` there. One that is there is left alone.
    show_list : bool
        List instead of fetching.
    all_of : str
        Fetch every session of this type (``brain_observatory_1.1``).
    host : str

    Raises
    ------
    UserError
        If nothing is asked for, the network or the room on the disk is missing, there is no
        such session, or a file that came is no session.
    """
    if not (ids or show_list or all_of):
        raise UserError("say what to fetch: session ids, --all TYPE, or --list to see them")
    missing = [session_id for session_id in ids if not _is_there(out, session_id)]
    if not (missing or show_list or all_of):
        return
    with open_warehouse(host) as warehouse:
        with console.status("asking the Allen warehouse"):
            listed = warehouse.sessions()
        if show_list:
            _print_list(listed)
            return
        wanted = _wanted(listed, missing, all_of)
        _fetch_all(warehouse, [i for i in wanted if not session_path(out, i).exists()], out)


def _print_list(listed: Sequence[Listed]) -> None:
    table = Table(title=f"{len(listed)} sessions", title_justify="left")
    for name in ("id", "type", "genotype", "sex", "age, days"):
        table.add_column(name)
    for session in sorted(listed, key=lambda session: (session.session_type, session.session_id)):
        table.add_row(
            str(session.session_id),
            session.session_type,
            session.genotype,
            session.sex,
            f"{session.age_days:g}",
        )
    Console().print(table)


def _wanted(listed: Sequence[Listed], ids: Sequence[int], all_of: str) -> list[int]:
    known = {session.session_id for session in listed}
    if unknown := [str(session_id) for session_id in ids if session_id not in known]:
        raise UserError(f"the warehouse has no session {', '.join(unknown)}: see --list")
    of_type = [session.session_id for session in listed if session.session_type == all_of]
    if all_of and not of_type:
        types = ", ".join(sorted({session.session_type for session in listed}))
        raise UserError(f"the warehouse has no sessions of type {all_of}; it has {types}")
    return list(dict.fromkeys([*ids, *of_type]))


def session_path(out: Path, session_id: int) -> Path:
    """Where a session's file goes."""
    return out / f"session_{session_id}.nwb"


def _is_there(out: Path, session_id: int) -> bool:
    path = session_path(out, session_id)
    if path.exists():
        console.print(f"{path} is there already")
    return path.exists()


def _fetch_all(warehouse: Warehouse, ids: Sequence[int], out: Path) -> None:
    urls = {session_id: warehouse.url(session_id) for session_id in ids}
    sizes = _sizes(urls)
    total = sum(size or 0 for size in sizes.values())
    Console().print(f"{len(urls)} session{'s' * (len(urls) > 1)}, {total / GB:.2f} GB in all")
    free = shutil.disk_usage(made_folder(out)).free
    if total > free:
        raise UserError(
            f"expected {total / GB:.2f} GB of room at {out}; {free / GB:.2f} GB are free: make room"
        )
    for place, (session_id, url) in enumerate(urls.items(), 1):
        fetch_one(session_id, url, out, f"session {session_id} ({place} of {len(urls)})")


def _sizes(urls: dict[int, str]) -> dict[int, int | None]:
    try:
        return {
            session_id: size_of(url)
            for session_id, url in track(
                urls.items(), "asking for sizes", console=console, transient=True
            )
        }
    except OSError as error:
        raise UserError(
            f"the Allen warehouse did not tell the sizes ({error}): {NO_NETWORK}"
        ) from error


def fetch_one(session_id: int, url: str, out: Path, title: str) -> Path:
    """Fetch one session; the file gets its name when it is whole and has been opened.

    Raises
    ------
    UserError
        If the download fails or what came is not this session.
    """
    path = session_path(out, session_id)
    part = path.with_name(path.name + ".part")
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
    ) as progress:
        task = progress.add_task(title, total=None)
        download(url, part, lambda have, total: progress.update(task, completed=have, total=total))
    try:
        check_session(part, session_id)
    except UserError:
        # Going on from a damaged part would never end well: the next run starts anew.
        part.unlink()
        raise
    part.replace(path)
    Console(file=sys.stdout).print(str(path), soft_wrap=True)
    return path


def check_session(path: Path, session_id: int) -> None:
    """Open a file as a session and compare its id.

    Raises
    ------
    UserError
        If it is no NWB file, has no units, or is another session.
    """
    with open_nwb(path) as file:
        if subgroup(file, "units") is None:
            raise UserError(f"what came as session {session_id} has no units: fetch it again")
        names = {read_text(file, "identifier"), read_text(file, "general/session_id")}
        if str(session_id) not in names:
            raise UserError(
                f"expected session {session_id}; what came calls itself "
                f"{' and '.join(sorted(names))}: fetch it again"
            )

"""A large file over HTTP: resumed where it broke off, whole before it gets its name."""

from __future__ import annotations

import errno
import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from pathlib import Path

from rtdecode.errors import UserError

TIMEOUT_S = 60.0
CHUNK = 1 << 20
# Tries in a row that bring nothing new; a try that does starts the count anew.
MOST_TRIES = 4
PAUSE_S = 2.0  # between tries
NOT_SATISFIABLE = 416

Progress = Callable[[int, int | None], None]


def size_of(url: str) -> int | None:
    """Bytes of what lies at an address, None where the server does not tell.

    Raises
    ------
    OSError
        If the server cannot be reached.
    """
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
        return _length(response)


def download(url: str, part: Path, progress: Progress) -> None:
    """Bring what lies at an address into a part file, going on from what it has.

    Parameters
    ----------
    url : str
    part : Path
        Kept when it fails, so that the next call goes on.
    progress : callable
        Told the bytes that are there and the bytes in all (None if unknown).

    Raises
    ------
    UserError
        If it fails several times in a row, or the disk is full.
    """
    tries, reached = 0, -1
    while tries < MOST_TRIES:
        try:
            if _go_on(url, part, progress):
                return
            reason = "the connection broke off"
        except (OSError, http.client.HTTPException) as error:
            if getattr(error, "errno", None) == errno.ENOSPC:
                raise UserError(f"the disk is full at {part.parent}: make room") from error
            reason = str(error)
        now = _have(part)
        tries = 1 if now > reached else tries + 1
        reached = max(reached, now)
        time.sleep(PAUSE_S)
    raise UserError(
        f"the download stopped after {reached:,} bytes ({reason}): run it again to go on from there"
    )


def _go_on(url: str, part: Path, progress: Progress) -> bool:
    """Ask for what is missing and append it; whether the file is whole then."""
    have = _have(part)
    request = urllib.request.Request(url)
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code != NOT_SATISFIABLE:
            raise
        # Either nothing is missing, or the file there is another one by now.
        if _span(error.headers)[1] == have:
            return True
        part.unlink()
        return False
    with response:
        start, total = _span(response.headers)
        going_on = response.status == http.HTTPStatus.PARTIAL_CONTENT and start == have
        if not going_on:
            have, total = 0, _length(response)
        with part.open("ab" if going_on else "wb") as file:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                have += len(chunk)
                progress(have, total)
    return total is None or have == total


def _have(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _length(response: http.client.HTTPResponse) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None


def _span(headers: Message) -> tuple[int | None, int | None]:
    """First byte and size of the whole, from ``Content-Range``."""
    found = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", headers.get("Content-Range", ""))
    if found is None:
        return None, None
    start, total = found.groups()
    return int(start) if start else None, int(total) if total != "*" else None

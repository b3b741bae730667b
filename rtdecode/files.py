"""Files that are written: never over a user's own, never half."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rtdecode.errors import UserError


def check_writable(path: Path, force: bool, ending: str = "") -> None:
    """Refuse to write over a file (unless forced), or into a folder that takes none.

    With ``ending`` the name must have it.

    Raises
    ------
    UserError
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder: give the name of a file")
    if path.exists() and not force:
        raise UserError(f"{path} exists: give another name, or --force to write over it")
    if not path.name.endswith(ending):
        raise UserError(f"expected a name that ends in {ending}, found {path}: give another")
    if not path.parent.is_dir():
        raise UserError(f"{path.parent} is no folder to write {path.name} into: make it first")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise UserError(
            f"cannot write into {path.parent} ({error.strerror}): name another folder"
        ) from error


def made_folder(path: Path) -> Path:
    """The folder, made if it is not there.

    Raises
    ------
    UserError
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot make the folder {path} ({error.strerror}): name another"
        ) from error
    return path


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a name beside ``path`` to write to; the file takes its own name at the end.

    If what runs inside fails or is stopped, ``path`` stays as it was and the
    half file is taken away.
    """
    half = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.part{path.suffix}")
    try:
        yield half
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)

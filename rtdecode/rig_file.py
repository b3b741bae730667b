"""A rig's TOML: read with what the command line changes, checked, and written out again."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import tomlkit
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from tomlkit.items import Table

from rtdecode.errors import UserError
from rtdecode.rig import Rig

LONGEST_FILE = 1 << 20
#: Relative to the file's folder where the file names them.
PATHS = (("bundle",), ("record", "file"), ("display", "images"))


def load_rig(
    path: Path | None, overrides: Sequence[str] = (), given: Mapping[str, object] | None = None
) -> Rig:
    """The effective settings.

    Parameters
    ----------
    path : Path or None
        The rig's TOML; None for the defaults.
    overrides : sequence of str
        ``KEY=VALUE``, the key with dots, the value as in TOML.
    given : mapping of str to object, optional
        What else goes before the file, by key with dots; None is nothing given.

    Raises
    ------
    UserError
        If the file cannot be read, is no TOML, or a setting is unknown or wrong.
    """
    values = {} if path is None else _read(path)
    changes = dict(map(_parse_override, overrides))
    changes |= {key: value for key, value in (given or {}).items() if value is not None}
    for key, value in changes.items():
        _put(values, key, value)
    try:
        return Rig.model_validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        details = error.errors()
        more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
        raise UserError(_told(details[0], path, changes) + more) from error


def stream_names(text: str | None) -> list[str] | None:
    """Names with commas between them, as the command line has them; None is nothing given."""
    return None if text is None else [name for name in text.split(",") if name]


def _read(path: Path) -> dict[str, Any]:
    """The file's values, its paths as seen from here."""
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST_FILE + 1)
    except OSError as error:
        raise UserError(
            f"expected a rig's settings at {path}, found {error.strerror or error}: "
            "name another file, or make one with rtdecode config --print"
        ) from error
    if len(content) > LONGEST_FILE:
        raise UserError(
            f"expected a rig's settings in {path}, found more than "
            f"{LONGEST_FILE:,} bytes: name another file"
        )
    try:
        values = tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise UserError(f"expected TOML in {path}, found {error}: mend that line") from error
    for keys in PATHS:
        _make_absolute(values, keys, path.parent)
    return values


def _make_absolute(values: dict[str, Any], keys: tuple[str, ...], folder: Path) -> None:
    *tables, last = keys
    for name in tables:
        found = values.get(name)
        if not isinstance(found, dict):
            return
        values = found
    if isinstance(values.get(last), str) and values[last]:
        values[last] = str(folder / values[last])


def _parse_override(text: str) -> tuple[str, object]:
    key, equals, value = text.partition("=")
    if not equals or not all(key.strip().split(".")):
        raise UserError(
            f"-o expects KEY=VALUE, found {text!r}: give one, as -o trigger.threshold=0.9"
        )
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except (ValueError, KeyError, RecursionError):
        return key.strip(), value.strip()  # a text without quotes


def _put(values: dict[str, Any], key: str, value: object) -> None:
    *tables, last = key.split(".")
    for name in tables:
        inner = values.setdefault(name, {})
        if not isinstance(inner, dict):
            raise UserError(f"-o {key} expects {name} to be a table, found {inner!r}: mend the key")
        values = inner
    values[last] = value


def _told(error: ErrorDetails, path: Path | None, changes: Mapping[str, object]) -> str:
    """One line: what is wrong with which field, and the mend."""
    key = ".".join(map(str, error["loc"]))
    place = (
        "-o"
        if any(f"{k}.".startswith(f"{key}.") or key.startswith(f"{k}.") for k in changes)
        else path
    )
    if error["type"] == "extra_forbidden":
        return f"{place}: no setting is called {key}: {_nearest(error['loc'])}"
    wrong = _lowered(error["msg"])
    depth, field = _field(error["loc"])
    if field is None:
        return f"{place}: a rig expects {wrong}, found {_short(error['input'])}: mend the file"
    name = ".".join(map(str, error["loc"][:depth]))
    model = _table_of(field.annotation)
    example = (
        f"write it as a table, [{name}]" if model else f"give one, as {name} = {_example(field)}"
    )
    about = _about(field)
    return f"{place}: {key} ({about}) expects {wrong}, found {_short(error['input'])}: {example}"


def _lowered(message: str) -> str:
    """What pydantic says, as the end of a sentence that begins with "expects"."""
    for start, instead in {
        "Input should be a valid ": "a ",
        "Input should be an ": "an ",
        "Input should be ": "a value ",
        "String should ": "a text that should ",
    }.items():
        if message.startswith(start):
            return instead + message.removeprefix(start)
    return message


def _about(field: FieldInfo) -> str:
    """What a field means; of a table, what its model says."""
    model = _table_of(field.annotation)
    text = field.description or (model.__doc__ or "" if model else "")
    return text.splitlines()[0].rstrip(".") if text else ""


def _example(field: FieldInfo) -> str:
    """A value that would do, as TOML."""
    value = field.examples[0] if field.examples else field.default
    if isinstance(value, dict):
        pairs = ", ".join(f"{json.dumps(k)} = {json.dumps(v)}" for k, v in value.items())
        return f"{{ {pairs} }}"
    return json.dumps(_plain(value))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _nearest(loc: tuple[int | str, ...]) -> str:
    """What somebody who wrote this may have meant."""
    tables, last = loc[:-1], str(loc[-1])
    known = sorted(_model(tables).model_fields)
    close = difflib.get_close_matches(last, known, 1)
    prefix = "".join(f"{table}." for table in tables)
    if close:
        return f"did you mean {prefix}{close[0]}?"
    return f"{'.'.join(map(str, tables)) or 'a rig'} knows {', '.join(known)}"


def _model(tables: tuple[int | str, ...]) -> type[BaseModel]:
    model: type[BaseModel] = Rig
    for name in tables:
        model = _table_of(model.model_fields[str(name)].annotation) or model
    return model


def _table_of(annotation: Any) -> type[BaseModel] | None:
    """The model of a field that is a table; None of any other field."""
    candidates = (annotation, *get_args(annotation))
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)


def _field(loc: tuple[int | str, ...]) -> tuple[int, FieldInfo | None]:
    """The innermost field that a place of an error lies in, and how many names lead to it."""
    found: FieldInfo | None = None
    model: type[BaseModel] | None = Rig
    for depth, name in enumerate(loc):
        if model is None or str(name) not in model.model_fields:
            return depth, found
        found = model.model_fields[str(name)]
        model = _table_of(found.annotation)
    return len(loc), found


def as_toml(rig: Rig) -> str:
    """The settings as TOML that reads back as the same, each field with its meaning."""
    document = tomlkit.document()
    _fill(document, rig)
    return tomlkit.dumps(document)


def _fill(container: tomlkit.TOMLDocument | Table, section: BaseModel) -> None:
    """The fields, each under its meaning; tables after plain values, as TOML wants it."""
    fields = type(section).model_fields
    tables = [name for name, field in fields.items() if _table_of(field.annotation)]
    for name, field in fields.items():
        if name not in tables:
            container.add(tomlkit.comment(f"{field.description}."))
            container.add(name, _plain(getattr(section, name)))
    for name in tables:
        inner = tomlkit.table()
        inner.comment(_about(fields[name]) + ".")
        _fill(inner, getattr(section, name))
        container.add(name, inner)


def _plain(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return tomlkit.inline_table() | value
    return list(value) if isinstance(value, tuple) else value

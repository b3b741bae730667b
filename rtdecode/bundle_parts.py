"""The parts of a TorchScript file, looked through before torch is let near them.

Torch takes a file's word for how long its tensors are: one that claims more than
the file holds is read beyond its end. So the pickled lists of tensors are walked
here, opcode by opcode; nothing is unpickled, and an opcode that no such list has
is refused.
"""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

ITEM_BYTES = {
    **{"Float": 4, "Double": 8, "Half": 2, "BFloat16": 2, "Long": 8, "Int": 4, "Short": 2},
    **{"Char": 1, "Byte": 1, "Bool": 1, "ComplexFloat": 8, "ComplexDouble": 16},
}
REBUILD = "torch._utils _rebuild_tensor_v2"
PICKLES = ("data.pkl", "constants.pkl")
LARGEST_PICKLE = LARGEST_CODE = 1 << 26


class PartsError(RuntimeError):
    """A file whose parts do not fit each other."""


@dataclass(frozen=True)
class _Storage:
    """What a tensor's numbers lie in: how many there are."""

    items: int


@dataclass(frozen=True)
class _Global:
    name: str


class _Mark:
    """Where a tuple or list begins on the stack."""


def check_parts(archive: zipfile.ZipFile) -> None:
    """Refuse an archive in which a tensor claims more than the file holds.

    Raises
    ------
    PartsError
        Also where parts unfold to too much, or a list of tensors is none.
    """
    parts = archive.infolist()
    # Torch packs its code alone; what is packed may unfold to any size.
    packed = sum(part.file_size for part in parts if part.compress_type != zipfile.ZIP_STORED)
    if packed > LARGEST_CODE:
        raise PartsError(f"{packed:,} bytes of packed parts")
    if len({part.filename for part in parts}) < len(parts):
        raise PartsError("two parts of one name")
    sizes = {part.filename: part.file_size for part in parts}
    for name, size in sizes.items():
        folder, _, last = name.rpartition("/")
        if last in PICKLES:
            if size > LARGEST_PICKLE:
                raise PartsError("a list of tensors that is too long")
            tensors = f"{folder}/{'constants' if last == PICKLES[1] else 'data'}"
            _Walk(sizes, tensors).walk(archive.read(name))


class _Walk:
    """A stack that follows a pickle without making anything of it.

    Parameters
    ----------
    sizes : mapping of str to int
        Bytes of each part.
    folder : str
        Where the numbers of its tensors lie.
    """

    def __init__(self, sizes: Mapping[str, int], folder: str) -> None:
        self._sizes = sizes
        self._folder = folder
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def walk(self, content: bytes) -> None:
        """Follow it to its end."""
        try:
            for opcode, argument, _ in pickletools.genops(content):
                self._step(opcode.name, argument)
        except (ValueError, IndexError, TypeError, AttributeError, KeyError) as error:
            raise PartsError(f"a list of tensors that is damaged ({error})") from error

    def _step(self, name: str, argument: Any) -> None:
        if name in VALUES:
            self._stack.append(VALUES[name](argument))
        elif name in ACTIONS:
            ACTIONS[name](self, argument)
        elif name not in ("PROTO", "STOP"):
            raise PartsError(f"an opcode {name}")

    def _put(self, place: Any) -> None:
        self._memo[int(place)] = self._stack[-1]

    def _get(self, place: Any) -> None:
        self._stack.append(self._memo[int(place)])

    def _since_mark(self) -> list[Any]:
        taken = []
        while not isinstance(item := self._stack.pop(), _Mark):
            taken.append(item)
        return taken[::-1]

    def _tuple(self, _: Any) -> None:
        self._stack.append(tuple(self._since_mark()))

    def _tuple_of(self, n: int) -> None:
        items = [self._stack.pop() for _ in range(n)]
        self._stack.append(tuple(items[::-1]))

    def _drop_to_mark(self, _: Any) -> None:
        self._since_mark()

    def _drop(self, n: int) -> None:
        for _ in range(n):
            self._stack.pop()

    def _storage(self, _: Any) -> None:
        """A reference to numbers of the file, which must be there."""
        kind, storage_type, key, _, items = self._stack.pop()
        name = storage_type.name.removeprefix("torch ").removesuffix("Storage")
        held = self._sizes.get(f"{self._folder}/{key}", -1)
        if kind != "storage" or items < 0 or held != items * ITEM_BYTES[name]:
            raise PartsError(f"a tensor of {items} {name} in {held} bytes")
        self._stack.append(_Storage(items))

    def _reduce(self, _: Any) -> None:
        """A call; if it makes a tensor, the tensor must lie within its numbers."""
        arguments, function = self._stack.pop(), self._stack.pop()
        arguments = arguments if isinstance(arguments, tuple) else ()
        if isinstance(function, _Global) and function.name == REBUILD:
            _check_tensor(*arguments[:4])
        elif any(isinstance(argument, _Storage) for argument in arguments):
            raise PartsError(f"numbers for {function}")
        self._stack.append(None)


def _check_tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], steps: tuple[int, ...]
) -> None:
    """Whether every number of a tensor is one of its storage's."""
    whole = all(type(n) is int and n >= 0 for n in (offset, *shape, *steps))
    if not whole or len(shape) != len(steps):
        raise PartsError("a tensor of no shape")
    last = offset + sum((n - 1) * step for n, step in zip(shape, steps, strict=True))
    if all(shape) and last >= storage.items:
        raise PartsError(f"a tensor that ends at {last} of {storage.items}")


def _itself(argument: Any) -> Any:
    return argument


VALUES: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"), _itself),
    "GLOBAL": _Global,
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_TUPLE": lambda _: (),
    "EMPTY_LIST": lambda _: None,
    "EMPTY_DICT": lambda _: None,
    "MARK": lambda _: _Mark(),
}

ACTIONS: dict[str, Callable[[_Walk, Any], None]] = {
    "BINPUT": _Walk._put,
    "LONG_BINPUT": _Walk._put,
    "BINGET": _Walk._get,
    "LONG_BINGET": _Walk._get,
    "TUPLE": _Walk._tuple,
    "TUPLE1": lambda walk, _: walk._tuple_of(1),
    "TUPLE2": lambda walk, _: walk._tuple_of(2),
    "TUPLE3": lambda walk, _: walk._tuple_of(3),
    "APPENDS": _Walk._drop_to_mark,
    "SETITEMS": _Walk._drop_to_mark,
    "APPEND": lambda walk, _: walk._drop(1),
    "SETITEM": lambda walk, _: walk._drop(2),
    "BUILD": lambda walk, _: walk._drop(1),
    "BINPERSID": _Walk._storage,
    "REDUCE": _Walk._reduce,
    "NEWOBJ": _Walk._reduce,
}

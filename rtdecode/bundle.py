"""The bundle: one TorchScript file that is all a rig needs.

TorchScript is deprecated upstream, so `ScriptFile` owns every ``torch.jit``
call of the project; whatever replaces it, replaces that class.
"""

from __future__ import annotations

import hashlib
import platform
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from rtdecode import bundle_fields as fields
from rtdecode.bundle_parts import check_parts
from rtdecode.errors import UserError
from rtdecode.files import check_writable
from rtdecode.tasks import LabelRule

SCHEMA_VERSION: Literal[1] = 1
INFO_FILE = "rtdecode.json"
# The same module on another machine's vector units differs by this much at most.
GOLDEN_TOLERANCE = 1e-4
# What zipfile, torch and pydantic raise on damaged files, by trial: all of these.
UNREADABLE = (RuntimeError, ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error)
MAKE_ANOTHER = "make a new one with rtdecode train"


class SessionUsed(BaseModel):
    """A session that trained the decoder.

    Attributes
    ----------
    name : str
    sha256 : str
        Of the file; empty where the session came from none.
    last_training_onset_us : int
        Onset of its last training trial: what comes after was kept out.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    sha256: str = ""
    last_training_onset_us: int


class BundleInfo(BaseModel):
    """What a bundle says about itself.

    Attributes
    ----------
    model : str
        Name of the model (``lda``).
    task, label_rule
        What is decoded, and how a row or marker gets its label.
    classes : tuple of str
        In the order of the probabilities.
    unit_ids, unit_areas
        In the order of the counts' columns.
    window : WindowSpec
    steps : tuple of int
        Numbers of bins after which the module can decide early; empty if it cannot.
    decide_at : float or None
        Top probability at which an early decision is sure enough.
    sessions : tuple of SessionUsed
    split : str
        Which split kept trials out of training.
    metrics : dict of str to float
        Measured on the trials kept out.
    versions : dict of str to str
    temperature : float
        Of a part ``shared`` with other animals, by which its logits are divided.
    class_geometry : tuple of tuple of float
        How alike the classes are to this animal (classes, classes); a transfer
        to another animal starts from it. Empty where it was not measured.
    golden_counts, golden_probabilities
        An input and its output, which loading checks.
    """

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1] = SCHEMA_VERSION
    model: str
    task: str
    label_rule: LabelRule
    classes: fields.ClassRow
    unit_ids: fields.UnitIdRow
    unit_areas: tuple[str, ...]
    window: fields.Window
    steps: tuple[fields.Step, ...] = ()
    decide_at: float | None = None
    sessions: tuple[SessionUsed, ...] = ()
    split: str = ""
    metrics: dict[str, float] = {}
    versions: dict[str, str] = {}
    temperature: float = 1.0
    class_geometry: fields.NumberRows = ()
    golden_counts: fields.CountRows = ()
    golden_probabilities: tuple[float, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Bins and units of the counts."""
        return self.window.n_bins, len(self.unit_ids)

    def last_training_onset_us(self, session_name: str) -> int | None:
        """Onset of the last trial of a session that trained this bundle; ``None`` if none did."""
        onsets = [s.last_training_onset_us for s in self.sessions if s.name == session_name]
        return max(onsets, default=None)


class ScriptFile:
    """Every ``torch.jit`` call: script, freeze, save with a text, load."""

    @staticmethod
    @contextmanager
    def _deprecation_known() -> Iterator[None]:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r".*torch\.jit\.", category=FutureWarning)
            warnings.filterwarnings(
                "ignore", message=r".*torch\.jit\.", category=DeprecationWarning
            )
            yield

    @classmethod
    def save(cls, module: torch.nn.Module, path: Path, text: str, keep: list[str]) -> None:
        """Script and freeze a module and write it, with ``text`` inside the file."""
        with cls._deprecation_known():
            script = torch.jit.freeze(torch.jit.script(module.eval()), preserved_attrs=keep)
            torch.jit.save(script, str(path), _extra_files={INFO_FILE: text.encode()})

    @classmethod
    def load(cls, path: Path) -> tuple[torch.nn.Module, str]:
        """A module on the CPU and the text inside its file; RuntimeError if it is none."""
        # Torch does not look at the zip's check sums, and a golden pair misses one weight.
        with zipfile.ZipFile(path) as archive:
            check_parts(archive)
            if broken := archive.testzip():
                raise RuntimeError(f"check sum of {broken}")
        extra = {INFO_FILE: ""}
        with cls._deprecation_known():
            load = cast(Any, torch.jit.load)  # untyped in torch
            module: torch.nn.Module = load(str(path), map_location="cpu", _extra_files=extra)
        text = cast(Any, extra[INFO_FILE])
        return module.eval(), text.decode() if isinstance(text, bytes) else str(text)


def software_versions() -> dict[str, str]:
    """Versions of what made a bundle."""
    names = ("rtdecode", "torch", "numpy", "scikit-learn")
    return {"python": platform.python_version()} | {name: version(name) for name in names}


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file, as hexadecimal text."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def run_once(module: torch.nn.Module, counts: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Probabilities of one window of counts (bins, units), (classes,) float32."""
    with torch.inference_mode():
        output = module(torch.from_numpy(counts.astype(np.float32)[None]))
    return cast(NDArray[np.float32], output.numpy()[0])


def _try_steps(module: torch.nn.Module, counts: NDArray[np.uint16], info: BundleInfo) -> None:
    """Decide early wherever the bundle says that it can."""
    there = torch.from_numpy(counts.astype(np.float32)[None])
    with torch.inference_mode():
        for step in info.steps:
            found = cast(Any, module).upto(there, step).numpy()[0]
            if found.shape != (len(info.classes),):
                raise IndexError(f"{found.shape} probabilities after {step} bins")


def save_bundle(
    module: torch.nn.Module,
    info: BundleInfo,
    path: str | Path,
    *,
    force: bool = False,
) -> Path:
    """Write a bundle: all of it or nothing.

    Parameters
    ----------
    module : torch.nn.Module
        Takes counts (n, bins, units) float32, gives probabilities (n, classes)
        float32. If ``info.steps`` is not empty it also has a method
        ``upto(counts, n_bins)`` with the same shapes. A part called ``shared``
        keeps its weights, so that a transfer to another animal can take it out.
    info : BundleInfo
        Its versions and golden pair are filled in here.
    path : path
    force : bool
        Write over a file that is there.

    Raises
    ------
    UserError
        If the file is there, or the folder is not.
    """
    path = Path(path)
    check_writable(path, force)
    # Any counts will do, as long as they are not all alike.
    golden = np.random.default_rng(0).poisson(0.5, info.shape).astype(np.uint16)
    full = info.model_copy(
        update={
            "versions": software_versions(),
            "golden_counts": tuple(map(tuple, golden.tolist())),
            "golden_probabilities": tuple(run_once(module.cpu().eval(), golden).tolist()),
        }
    )
    keep = [name for name in ("upto", "shared") if hasattr(module, name)]
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        draft = Path(folder, path.name)
        ScriptFile.save(module, draft, full.model_dump_json(), keep)
        draft.replace(path)
    return path


def load_bundle(path: str | Path) -> tuple[torch.nn.Module, BundleInfo]:
    """Read a bundle and check it against its own golden pair.

    Raises
    ------
    UserError
        If the file is missing, no bundle, of another schema or damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"a bundle file was expected at {path}, found none: {MAKE_ANOTHER}")
    try:
        module, text = ScriptFile.load(path)
        info = BundleInfo.model_validate_json(text)
    except (*UNREADABLE, UserError) as error:
        raise UserError(
            f"{path} was expected to be an rtdecode bundle (schema {SCHEMA_VERSION}), found "
            f"{_cause(error)}: {MAKE_ANOTHER}"
        ) from error
    _check_golden(path, module, info)
    return module, info


def _cause(error: Exception) -> str:
    """One line on why a file is no bundle."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return f"a description that does not fit ({where}: {first['msg']})"
    return "a file that is damaged or something else"


def _check_golden(path: Path, module: torch.nn.Module, info: BundleInfo) -> None:
    """Run the golden input and compare."""
    golden = np.array(info.golden_counts, np.uint16)
    expected = np.array(info.golden_probabilities, np.float32)
    if len(info.unit_areas) != len(info.unit_ids) or golden.shape != info.shape:
        raise UserError(
            f"{path} says {info.shape[1]} units in {info.shape[0]} bins, found areas for "
            f"{len(info.unit_areas)} and golden counts of {golden.shape}: {MAKE_ANOTHER}"
        )
    try:
        found = run_once(module, golden)
        _try_steps(module, golden, info)
    except (RuntimeError, AttributeError, IndexError) as error:
        raise UserError(
            f"the model in {path} was expected to take {info.shape[0]} bins of "
            f"{info.shape[1]} units, found that it cannot: {MAKE_ANOTHER}"
        ) from error
    same = found.shape == expected.shape == (len(info.classes),)
    if not same or not np.allclose(found, expected, rtol=0, atol=GOLDEN_TOLERANCE):
        raise UserError(
            f"the model in {path} gives other probabilities for its golden counts than when it "
            f"was saved: the file is damaged; {MAKE_ANOTHER}"
        )

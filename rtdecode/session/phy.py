"""Read a Phy or Kilosort folder: what a lab has after sorting and curating one probe."""

from __future__ import annotations

import ast
import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtdecode.errors import UserError
from rtdecode.session.columns import Column, FloatArray, as_column, as_names
from rtdecode.session.model import Int64Array, Session, Units
from rtdecode.session.quality import GOOD
from rtdecode.session.spikes import US_PER_S, sort_units
from rtdecode.session.unit_table import AREA_COLUMNS, LARGEST_ID, as_metrics

TIMES, PARAMS = "spike_times.npy", "params.py"
# Kilosort leaves templates alone until Phy has curated them into clusters.
CLUSTERS = ("spike_clusters.npy", "spike_templates.npy")
# What a person said of a cluster comes before what the sorter said.
LABELS = ("group", "KSLabel")
UNSORTED = ("", "unsorted")


def is_phy(folder: Path) -> bool:
    """Tell whether a folder is one that Phy or Kilosort wrote."""
    return (folder / TIMES).is_file()


def read_phy(folder: Path) -> Session:
    """Read the units and spikes of one probe; every cluster is a unit, curated or not.

    Parameters
    ----------
    folder : Path
        With ``spike_times.npy`` (samples), ``spike_clusters.npy`` and
        ``params.py``; ``cluster_*.tsv`` are read where they are.

    Returns
    -------
    Session
        Without presentations.

    Raises
    ------
    UserError
        If a file is missing, damaged or does not fit the others.
    """
    rate_hz = sample_rate(folder / PARAMS)
    samples = _load(folder / TIMES)
    clusters = _load(_cluster_file(folder))
    if len(samples) != len(clusters):
        raise UserError(
            f"expected one cluster a spike in {folder}; found {len(samples)} spikes and "
            f"{len(clusters)} clusters: export the folder again"
        )
    info = read_clusters(folder)
    ids = np.union1d(clusters, np.array(sorted(info), np.int64))
    _check_ids(ids, folder)
    order = np.argsort(clusters, kind="stable")
    times_us = np.rint(samples[order] * (US_PER_S / rate_hz)).astype(np.int64)
    offsets = np.append(np.searchsorted(clusters[order], ids), len(order))
    sort_units(times_us, offsets)
    return Session(folder.name, _units(ids, info, folder.name), times_us, offsets, {})


def _check_ids(ids: Int64Array, folder: Path) -> None:
    if not len(ids):
        raise UserError(f"expected sorted units in {folder}; it has no cluster")
    if ids[0] < 0 or ids[-1] > LARGEST_ID:
        raise UserError(
            f"expected cluster ids from 0 to {LARGEST_ID} in {folder}; found {ids[0]} to {ids[-1]}"
        )


def sample_rate(path: Path) -> float:
    """Sampling rate in Hz from ``params.py``, which is parsed and never run.

    Raises
    ------
    UserError
        If the file is missing, is no Python or has no such number.
    """
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, SyntaxError, ValueError) as error:
        raise UserError(f"cannot read the sample rate from {path}: {error}") from error
    found: object = None
    for node in tree.body:
        if isinstance(node, ast.Assign) and _names(node) == ["sample_rate"]:
            found = node.value.value if isinstance(node.value, ast.Constant) else None
    if isinstance(found, int | float) and 0 < found < US_PER_S:
        return float(found)
    raise UserError(f"expected a line like 'sample_rate = 30000.' in {path}; found {found}")


def _names(node: ast.Assign) -> list[str]:
    return [target.id for target in node.targets if isinstance(target, ast.Name)]


def _cluster_file(folder: Path) -> Path:
    for name in CLUSTERS:
        if (folder / name).is_file():
            return folder / name
    raise UserError(f"expected {CLUSTERS[0]} in {folder}; found none: export from Phy or Kilosort")


def _load(path: Path) -> Int64Array:
    """Whole numbers of a npy file, (spikes,) int64."""
    try:
        # Mapped, so that a header that claims too much fails before memory is taken.
        values: NDArray[np.generic] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or values.dtype.kind not in "iuf":
        raise UserError(
            f"expected one number a spike in {path}; found {values.dtype} of shape {values.shape}"
        )
    with np.errstate(invalid="ignore"):
        whole = values.astype(np.int64)
    if not np.array_equal(whole, values):
        raise UserError(f"expected whole numbers (samples or clusters) in {path}; found others")
    return whole


def read_clusters(folder: Path) -> dict[int, dict[str, str]]:
    """Read every ``cluster_*.tsv``: by cluster id, the values by column, empty ones left out.

    ``cluster_info.tsv``, where Phy gathers the others, is read first.
    """
    info: dict[int, dict[str, str]] = {}
    for path in sorted(folder.glob("cluster_*.tsv"), key=lambda path: path.stem != "cluster_info"):
        for row in _rows(path):
            identity = row.pop("cluster_id", None) or row.pop("id", None) or ""
            if not identity.isdigit():
                raise UserError(f"expected a column of cluster ids in {path}; found {identity!r}")
            values = {name: value for name, value in row.items() if name and value}
            info.setdefault(int(identity), {}).update(values)
    return info


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t", restval="", restkey=""))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    return [{name: str(value).strip() for name, value in row.items()} for row in rows]


def _units(ids: Int64Array, info: dict[int, dict[str, str]], probe: str) -> Units:
    names = {name for values in info.values() for name in values}
    columns = {name: _column(ids, info, name) for name in sorted(names)}
    areas = next((columns[name] for name in AREA_COLUMNS if name in columns), None)
    metrics = as_metrics(columns)
    depths = metrics.pop("depth", np.full(len(ids), np.nan))
    if labels := [columns[name] for name in LABELS if name in columns]:
        metrics[GOOD] = _good(labels)
    return Units(
        ids,
        np.full(len(ids), "", np.str_) if areas is None else as_names(areas),
        depths,
        np.full(len(ids), probe),
        metrics,
    )


def _column(ids: Int64Array, info: dict[int, dict[str, str]], name: str) -> Column:
    return as_column(np.array([info.get(int(row), {}).get(name, "") for row in ids], np.str_))


def _good(labels: list[Column]) -> FloatArray:
    """1 where a cluster is called good, 0 where another thing, NaN where nothing."""
    said = as_names(labels[0])
    for label in labels[1:]:
        said = np.where(np.isin(said, UNSORTED), as_names(label), said)
    return np.where(np.isin(said, UNSORTED), np.nan, said == "good").astype(np.float64)

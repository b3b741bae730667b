"""What a record says of the run itself: settings, bundle, versions."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from importlib.metadata import version

from pydantic import BaseModel

from rtdecode.decoder import Decoder
from rtdecode.live_settings import LiveSettings

PACKAGES = ("rtdecode", "numpy", "numba", "torch", "pylsl", "pynwb", "h5py")


def about_run(decoder: Decoder, settings: LiveSettings) -> dict[str, object]:
    """Settings, bundle and versions as JSON values."""
    info = decoder.info
    told = json.loads(json.dumps(asdict(settings), default=_plain))
    bundle = {
        "sha256": decoder.sha256,
        "model": info.model,
        "task": info.task,
        "classes": list(info.classes),
        "window": str(info.window),
        "unit_ids": list(info.unit_ids),
        "versions": info.versions,
    }
    versions = {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}
    return {"settings": told, "bundle": bundle, "versions": versions}


def _plain(value: object) -> object:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)

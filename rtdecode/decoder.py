"""From the counts of one window to probabilities."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from rtdecode.bundle import BundleInfo, file_sha256, load_bundle
from rtdecode.early import StoppingRule
from rtdecode.errors import UserError


class Decoder:
    """A loaded bundle that decodes one window at a time.

    Batch 1 is bit for bit repeatable, which a batch of several is not; so live
    and offline runs that are to be equal both go through here.

    Attributes
    ----------
    info : BundleInfo
    sha256 : str
        Of the bundle file.
    """

    def __init__(self, module: torch.nn.Module, info: BundleInfo, sha256: str = "") -> None:
        self.info = info
        self.sha256 = sha256
        self._module = module
        self._input = torch.zeros((1, *info.shape), dtype=torch.float32)
        self._counts: NDArray[np.float32] = self._input.numpy()[0]

    @classmethod
    def load(cls, path: str | Path) -> Decoder:
        """Read and check a bundle.

        Raises
        ------
        UserError
            If the file is missing, no bundle, of another schema or damaged.
        """
        module, info = load_bundle(path)
        return cls(module, info, file_sha256(path))

    def predict(self, counts: NDArray[np.uint16]) -> NDArray[np.float32]:
        """Probabilities (classes,) float32 of counts (bins, units) uint16.

        Raises
        ------
        UserError
            If the counts are of other bins or units than the bundle's.
        """
        self._take(counts)
        return self._answer_of(self._module, self._input)

    def predict_upto(self, counts: NDArray[np.uint16], n_bins: int) -> NDArray[np.float32]:
        """Probabilities (classes,) float32 from the first bins of a window alone.

        Parameters
        ----------
        counts : (bins, units) uint16
            What stands after the first ``n_bins`` bins is not looked at.
        n_bins : int
            One of ``info.steps``.

        Raises
        ------
        UserError
            If the counts are of other bins or units than the bundle's.
        """
        self._take(counts)
        return self._answer_of(cast(Any, self._module).upto, self._input, n_bins)

    def _answer_of(self, model: Callable[..., torch.Tensor], *given: object) -> NDArray[np.float32]:
        """What a model says (classes,); NaN where it fails, told once: the next may be answered."""
        try:
            with torch.inference_mode():
                return cast(NDArray[np.float32], model(*given).numpy()[0])
        except RuntimeError as error:
            return self._no_answer(error)

    def _no_answer(self, error: RuntimeError) -> NDArray[np.float32]:
        """NaN (classes,) for a window on which the model failed."""
        why = str(error).strip().splitlines()[-1]
        warnings.warn(f"a window has no answer, since the model fails: {why}", stacklevel=4)
        return np.full(len(self.info.classes), np.nan, np.float32)

    def stopping_rule(self, decide_at: float = 0.0) -> StoppingRule:
        """When this bundle is sure enough to decide within a window.

        Parameters
        ----------
        decide_at : float
            Top probability that is enough; 0 for what the bundle states.

        Raises
        ------
        UserError
            If the bundle cannot decide early.
        """
        steps, enough = self.info.steps, decide_at or self.info.decide_at
        if not steps:
            raise UserError(
                f"expected a bundle that can decide early, found one of {self.info.model!r}: train "
                "one with --model early-lda, or decide at the window's end"
            )
        if enough is None:
            raise UserError(
                "expected a probability to decide at in the bundle, found none: give "
                "engine.decide_at, as 0.9"
            )
        if list(steps) != sorted(set(steps)) or steps[-1] > self.info.window.n_bins:
            raise UserError(
                f"expected steps upwards within {self.info.window.n_bins} bins in the bundle, "
                f"found {', '.join(map(str, steps))}: make a new one with rtdecode train"
            )
        return StoppingRule(self.predict_upto, steps, enough)

    def _take(self, counts: NDArray[np.uint16]) -> None:
        # One bin would be copied to all of them without a word.
        if counts.shape != self._counts.shape:
            bins, units = self._counts.shape
            raise UserError(
                f"the bundle expects counts of {bins} bins and {units} units "
                f"({self.info.window}), found {counts.shape}: count in the bundle's own window"
            )
        self._counts[:] = counts

    def warm_up(self, n: int = 20) -> None:
        """Run ``n`` windows of silence, so that no compilation is left for the first real one."""
        silence = np.zeros(self.info.shape, np.uint16)
        for _ in range(n):
            self.predict(silence)
            for step in self.info.steps:
                self.predict_upto(silence, step)

    def check_units(self, unit_ids: Sequence[int] | NDArray[np.int64]) -> None:
        """Refuse a session that lacks units of the bundle.

        Raises
        ------
        UserError
            With how many of the bundle's units are missing.
        """
        missing = sorted(set(self.info.unit_ids) - set(np.asarray(unit_ids).tolist()))
        if missing:
            raise UserError(
                f"the bundle expects {len(self.info.unit_ids)} units, found "
                f"{len(self.info.unit_ids) - len(missing)} of them among the {len(unit_ids)} "
                f"given (missing: {', '.join(map(str, missing[:5]))}"
                f"{' ...' if len(missing) > 5 else ''}): train on this session, or fit the "
                "bundle to it with rtdecode transfer, or on the rig with rtdecode calibrate"
            )

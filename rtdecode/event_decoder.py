"""A bundle whose windows are summed spike by spike as they come."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from rtdecode.bundle import BundleInfo
from rtdecode.decision import Window
from rtdecode.decoder import Decoder
from rtdecode.engine import Engine
from rtdecode.event_graph import split
from rtdecode.kernels import prompt as prompts
from rtdecode.kernels.prompt import make_prompt
from rtdecode.kernels.rest import run_rest
from rtdecode.kernels.sums import close_sum, free_sum, make_sums, open_sum, sum_counts
from rtdecode.microseconds import US_PER_S

SLOTS = 64  # windows open at once that are summed; any more are taken from their counts


class EventDecoder(Decoder):
    """Sums first layers spike by spike; at a window's end the small rest is left to do.

    Raises
    ------
    UserError
        If the model's first layer is not linear in the counts or in one measure of each.
    """

    def __init__(self, module: torch.nn.Module, info: BundleInfo, sha256: str = "") -> None:
        super().__init__(module, info, sha256)
        parts = split(module, info)
        self.sums = make_sums(parts.layers, info.window.duration_us, len(info.unit_ids), SLOTS)
        self._rest = parts.rest
        self.prompt = make_prompt(self._rest, len(info.classes))
        self._expected = -1
        self._slots: dict[int, int] = {}
        self._engine: Engine | None = None

    def follow(self, engine: Engine) -> None:
        """Take sums from this engine's ring from here on."""
        for slot in self._slots.values():
            free_sum(self.sums, slot)
        self._slots.clear()
        self._forget()
        self._engine = engine
        engine.follower = self

    def open(self, window: Window) -> None:
        """A window of the engine has opened."""
        assert self._engine is not None
        slot = open_sum(self._engine.intake.ring, self.sums, window.start_us)
        if slot >= 0:
            self._slots[window.number] = slot

    def expect(self, window: Window) -> None:
        """Let the pump answer a window by itself, where the window has a slot."""
        self._forget()
        self._expected = window.number
        self.prompt.state[prompts.SLOT] = self._slots.get(window.number, prompts.NO_SLOT)
        self.prompt.times_s[prompts.STAMP] = window.end_us / US_PER_S

    def _forget(self) -> None:
        """Expect no window."""
        self._expected = -1
        self.prompt.state[prompts.SLOT] = prompts.NO_SLOT
        self.prompt.state[prompts.OUTCOME] = prompts.PENDING

    def outcome(self, window: Window) -> int:
        """What became of a window in the pump, of ``rtdecode.kernels.prompt``'s outcomes."""
        pending = window.number != self._expected
        return prompts.PENDING if pending else int(self.prompt.state[prompts.OUTCOME])

    def drop(self, window: Window) -> None:
        """A window of the engine will not be decided."""
        if window.number == self._expected:
            self._forget()
        slot = self._slots.pop(window.number, -1)
        if slot >= 0:
            free_sum(self.sums, slot)

    def answer(self, window: Window) -> NDArray[np.float32] | None:
        """Probabilities (classes,) float32 from an open window's sums; frees its slot.

        None where the window has no slot, or has more spikes of a unit than any cell fires.
        """
        outcome, slot = self.outcome(window), self._slots.pop(window.number, -1)
        if outcome != prompts.PENDING:
            return None if outcome == prompts.BEYOND else self.prompt.out.copy()
        if slot < 0:
            return None
        if window.number == self._expected:
            self._forget()
        assert self._engine is not None
        known = close_sum(self._engine.intake.ring, self.sums, slot, self._rest.values)
        return self._finish() if known else None

    def predict(self, counts: NDArray[np.uint16]) -> NDArray[np.float32]:
        """Probabilities (classes,) float32 of counts (bins, units) uint16."""
        if not sum_counts(counts, self.sums, self._rest.values):
            return super().predict(counts)
        return self._finish()

    def _finish(self) -> NDArray[np.float32]:
        """Probabilities by the rest of the model, from the sums that are in its values."""
        out = np.empty(len(self.info.classes), np.float32)
        run_rest(self._rest, out)
        return out

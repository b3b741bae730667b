"""The answer of the window that ends next, made and sent by the pump itself.

Where spikes were summed as they came, little is left to do at a window's end:
less than waking Python takes. So the pump does it, and Python hears of it after.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtdecode.kernels.jit import kernel
from rtdecode.kernels.liblsl import local_clock, push_sample
from rtdecode.kernels.rest import Rest, run_rest
from rtdecode.kernels.ring import Ring
from rtdecode.kernels.sums import Sums, close_sum

# Places in ``Prompt.state``: the slot of the window (``NO_SLOT`` where none is expected),
# what became of it, where it is sent to.
SLOT, OUTCOME, OUTLET = range(3)
NO_SLOT = -1
# Outcomes: nothing yet; sent; answered but not sent; a count beyond what the sums know.
PENDING, SENT, UNSENT, BEYOND = range(4)
# Places in ``Prompt.times_s``.
STAMP, REACHED, DECIDED, PUSHED = range(4)


class Prompt(NamedTuple):
    """The window whose answer is expected next.

    Attributes
    ----------
    state : (3,) int64
        Slot of the window's sums, outcome, and handle of the posterior's outlet.
    times_s : (4,) float64
        The posterior's stamp; then, on the LSL clock, when the watermark was
        there, the model had answered and the posterior was pushed.
    out : (classes,) float32
    rest : Rest
    """

    state: NDArray[np.int64]
    times_s: NDArray[np.float64]
    out: NDArray[np.float32]
    rest: Rest


def make_prompt(rest: Rest, n_classes: int) -> Prompt:
    """A prompt that expects no window."""
    state = np.array([NO_SLOT, PENDING, 0], np.int64)
    return Prompt(state, np.zeros(4), np.zeros(n_classes, np.float32), rest)


def no_prompt() -> Prompt:
    """For a model that is not summed: no window is ever expected."""
    nothing = Rest(np.zeros(0), np.zeros((0, 7), np.int64), np.zeros(0), np.zeros(0, np.float32))
    return make_prompt(nothing, 0)


@kernel
def answer(prompt: Prompt, ring: Ring, sums: Sums) -> None:
    """Answer the expected window, if any, and send that."""
    slot = prompt.state[SLOT]
    if slot == NO_SLOT:
        return
    prompt.state[SLOT] = NO_SLOT
    prompt.times_s[REACHED] = local_clock()
    if not close_sum(ring, sums, slot, prompt.rest.values):
        prompt.state[OUTCOME] = BEYOND
        return
    run_rest(prompt.rest, prompt.out)
    prompt.times_s[DECIDED] = local_clock()
    code = push_sample(prompt.state[OUTLET], prompt.out.ctypes, prompt.times_s[STAMP], 1)
    prompt.times_s[PUSHED] = local_clock()
    prompt.state[OUTCOME] = SENT if code == 0 else UNSENT

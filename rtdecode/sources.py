"""The streams that a decoder listens to: looked for, checked, opened."""

from __future__ import annotations

from collections.abc import Callable

from rtdecode import streams
from rtdecode.decoder import Decoder


def wait_for(
    name: str, form: streams.Format, look_s: float, goes_on: Callable[[], bool]
) -> streams.Found | None:
    """The stream of this name or form as soon as it is there.

    Parameters
    ----------
    name : str
        Empty for the only one of the form.
    form : Format
    look_s : float
        How long each look lasts, seconds.
    goes_on : callable
        Asked before every look whether to go on; None is the answer where not.
    """
    lookout = streams.Lookout(name, form)
    while goes_on():
        if (found := lookout.wait(look_s)) is not None:
            return found
    return None


def open_spikes(found: streams.Found, decoder: Decoder) -> streams.SpikeInlet:
    """Start to receive spikes.

    Raises
    ------
    UserError
        If the stream tells its units and the bundle's are not among them.
    """
    inlet = streams.SpikeInlet(found)
    units = inlet.units()
    if len(units):
        decoder.check_units(units.ids)
    inlet.open()
    return inlet


def open_stimuli(found: streams.Found) -> streams.TextInlet:
    """Start to receive markers."""
    inlet = streams.TextInlet(found)
    inlet.open()
    return inlet

"""What computes probabilities: TorchScript, onnxruntime, or sums taken spike by spike."""

from __future__ import annotations

from pathlib import Path

from rtdecode.decoder import Decoder
from rtdecode.engine import Engine
from rtdecode.errors import UserError
from rtdecode.event_decoder import EventDecoder
from rtdecode.kernels.sums import Sums, make_sums
from rtdecode.onnx_decoder import OnnxDecoder

TORCHSCRIPT, ONNX, EVENT = BACKENDS = ("torchscript", "onnx", "event")


def load_decoder(path: str | Path, backend: str = TORCHSCRIPT) -> Decoder:
    """Read a bundle for one backend.

    Raises
    ------
    UserError
        If the bundle is none, the backend unknown, or the model not one for it.
    """
    if backend == TORCHSCRIPT:
        return Decoder.load(path)
    if backend == EVENT:
        return EventDecoder.load(path)
    if backend == ONNX:
        return OnnxDecoder.load(path)
    raise UserError(f"a backend is {TORCHSCRIPT}, {ONNX} or {EVENT}; found {backend!r}")


def no_sums() -> Sums:
    """Sums without a slot, for a backend that waits for the counts."""
    return make_sums((), 1, 1, 0)


def follow(decoder: Decoder, engine: Engine) -> Sums:
    """Let a decoder follow an engine's spikes, if its backend does; what the pump adds them to."""
    if not isinstance(decoder, EventDecoder):
        return no_sums()
    decoder.follow(engine)
    return decoder.sums

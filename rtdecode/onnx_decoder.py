"""A bundle's model run by onnxruntime: exported when it is loaded, never kept as a file."""

from __future__ import annotations

import importlib.util
import io
import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rtdecode.bundle import BundleInfo
from rtdecode.decoder import Decoder
from rtdecode.errors import UserError

INPUT, OUTPUT = "counts", "probabilities"
NEEDED = ("onnxruntime", "onnx")


class OnnxDecoder(Decoder):
    """A bundle whose windows go through onnxruntime.

    Raises
    ------
    UserError
        If onnxruntime is not installed, the bundle decides within its window (that is
        TorchScript's alone), or ONNX has no word for a part of the model.
    """

    def __init__(self, module: torch.nn.Module, info: BundleInfo, sha256: str = "") -> None:
        super().__init__(module, info, sha256)
        check_installed()
        if info.steps:
            raise _unfit(info, "it decides within its window")
        session = _session(export(module, info))
        self._answer = np.zeros((1, len(info.classes)), np.float32)
        self._session, self._binding = session, _bound(session, self._input.numpy(), self._answer)

    def predict(self, counts: NDArray[np.uint16]) -> NDArray[np.float32]:
        """Probabilities (classes,) float32 of counts (bins, units) uint16."""
        self._counts[:] = counts
        try:
            self._session.run_with_iobinding(self._binding)
        except RuntimeError as error:
            return self._no_answer(error)
        answer: NDArray[np.float32] = self._answer[0].copy()
        return answer


def check_installed() -> None:
    """Refuse where the packages of the extra are not there.

    Raises
    ------
    UserError
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"the onnx backend expects {' and '.join(NEEDED)}, found no "
            f"{' and no '.join(missing)}: pip install 'rtdecode[onnx]', or decode with "
            "--backend torchscript"
        )


def export(module: torch.nn.Module, info: BundleInfo) -> bytes:
    """The module as an ONNX model that takes counts (1, bins, units) float32.

    Raises
    ------
    UserError
        If ONNX has no word for a part of it.
    """
    file: Any = io.BytesIO()  # the older exporter takes it, its types say not
    silence = torch.zeros((1, *info.shape))
    with warnings.catch_warnings():
        # A frozen TorchScript goes through the older exporter alone, which says that it is old.
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                module, (silence,), file, dynamo=False, input_names=[INPUT], output_names=[OUTPUT]
            )
        except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
            raise _unfit(info, str(error).splitlines()[0]) from error
    exported: bytes = file.getvalue()
    return exported


def _unfit(info: BundleInfo, why: str) -> UserError:
    return UserError(
        f"the onnx backend expects a model that ONNX can hold, found {info.model!r} ({why}): "
        "decode it with --backend torchscript"
    )


def _session(model: bytes) -> Any:
    """One thread: a second that spins would take the core that the receiver needs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _bound(session: Any, counts: NDArray[np.float32], answer: NDArray[np.float32]) -> Any:
    """Input and output as arrays of ours, so that no run makes any (measured: 4 us of 54)."""
    import onnxruntime

    binding = session.io_binding()
    value_of = onnxruntime.OrtValue.ortvalue_from_numpy
    binding.bind_ortvalue_input(INPUT, value_of(counts))
    binding.bind_ortvalue_output(OUTPUT, value_of(answer))
    return binding

# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""ONNX files opened with onnxruntime, on the provider that was asked for and no other."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..video.limits import shorten
from .onnx_folder import MODEL_KEY, ExportedFolder


try:
    import onnxruntime
except ImportError as error:
    raise ImportError(
        f"Exported models need onnxruntime, which does not load ({shorten(str(error))}): `pip install onnxruntime`."
    ) from error


_SHORT_NAMES = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
    "dml": "DmlExecutionProvider",
    "nnapi": "NnapiExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "qnn": "QNNExecutionProvider",
    "webgpu": "WebGpuExecutionProvider",
    "xnnpack": "XnnpackExecutionProvider",
}
_CPU = "CPUExecutionProvider"
# Only errors: warnings are about graphs, which whoever asks a question has not made.
_ERRORS_ONLY = 3
_DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}


class OnnxSessions:
    """
    The ONNX files of a folder, each opened when it is needed for the first time.

    Args:
        folder ([`ExportedFolder`]): the folder.
        providers (`str` or `Sequence[str]`, *optional*):
            What computes: `"cpu"`, `"cuda"`, `"coreml"`, `"directml"`, `"nnapi"`, `"openvino"` or another name of onnxruntime's, or
            several in the order of preference. What the first cannot compute is computed by those behind it, and at last by the CPU.
            The CPU where it is not given.
        num_threads (`int`, *optional*): on the CPU; as many as it has cores where it is not given.

    Attributes:
        providers (`list[str]`): onnxruntime's names.

    Raises:
        ValueError: if a provider is unknown or not available, or a number is wrong.
    """

    def __init__(
        self,
        folder: ExportedFolder,
        providers: str | Sequence[str] | None = None,
        num_threads: int | None = None,
    ) -> None:
        self._folder = folder
        self.providers = resolve_providers(providers)
        if num_threads is not None and not (
            isinstance(num_threads, int) and not isinstance(num_threads, bool) and 1 <= num_threads <= 1024
        ):
            raise ValueError(f"`num_threads` ({shorten(repr(num_threads))}) must be a whole number from 1 to 1024.")
        self._options = onnxruntime.SessionOptions()
        self._options.log_severity_level = _ERRORS_ONLY
        self._options.intra_op_num_threads = num_threads or 0
        self._sessions: dict[str, Any] = {}
        # the first file that says of which model it is, and what it says
        self._model: tuple[str, str] | None = None

    def open(self, name: str) -> Any:
        """
        The session of `onnx/NAME.onnx`.

        Raises:
            FileNotFoundError: if there is no such file.
            RuntimeError: if the provider cannot be used.
            ValueError: if the file is damaged, not for this onnxruntime, or of another model than one opened before.
        """
        if name not in self._sessions:
            session = self._open(self._folder.file(f"onnx/{name}.onnx"))
            self._check_model(name, session)
            self._sessions[name] = session
        return self._sessions[name]

    def run(self, name: str, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        """
        Runs a graph that has these inputs.

        Raises:
            ValueError: if the graph has others, or refuses them.
        """
        session = self.open(name)
        expected = [entry.name for entry in session.get_inputs()]
        if set(expected) != set(inputs):
            raise ValueError(
                f"{self._title(name)} takes {', '.join(map(shorten, expected))} where {', '.join(inputs)} was expected: export the "
                "model again."
            )
        with self.named_errors(name):
            return session.run(None, inputs)

    @contextmanager
    def named_errors(self, name: str) -> Iterator[None]:
        """
        Around a run of a graph.

        Raises:
            ValueError: in the place of what onnxruntime raises; it names the file.
        """
        try:
            yield
        except Exception as error:  # onnxruntime's own kinds have no common base
            raise ValueError(f"{self._title(name)} cannot be run: {shorten(_first_line(error))}.") from error

    def dtype(self, name: str, input_name: str) -> Any:
        """The dtype of an input of a graph."""
        kinds = {entry.name: entry.type for entry in self.open(name).get_inputs()}
        return _DTYPES.get(kinds.get(input_name, ""), np.float32)

    def _check_model(self, name: str, session: Any) -> None:
        model = session.get_modelmeta().custom_metadata_map.get(MODEL_KEY)
        if model is None:
            return
        first, first_model = self._model = self._model or (name, model)
        if model != first_model:
            raise ValueError(
                f"{self._title(name)} is of another model than {first}.onnx beside it: copy all files of one export, or write them again "
                "with `mvgpt export-onnx`."
            )

    def _title(self, name: str) -> str:
        return shorten(str(self._folder.path / "onnx" / f"{name}.onnx"))

    def _open(self, path: Path) -> Any:
        try:
            session = onnxruntime.InferenceSession(str(path), self._options, providers=self.providers)
        except Exception as error:
            raise ValueError(
                f"{shorten(str(path))} cannot be opened by onnxruntime {onnxruntime.__version__}: {shorten(_first_line(error))}. Copy the "
                "file again, or update onnxruntime."
            ) from error
        # onnxruntime itself goes on without a provider whose libraries do not load
        if (used := session.get_providers()[0]) != self.providers[0]:
            raise RuntimeError(
                f"onnxruntime could not use {self.providers[0]}, and would compute with {used}: install what it needs (drivers, "
                "libraries), or take another provider."
            )
        return session


def resolve_providers(providers: str | Sequence[str] | None) -> list[str]:
    """
    Providers by onnxruntime's names.

    Raises:
        ValueError: if one is unknown, or not available here.
    """
    # what sends models elsewhere computes nothing here
    available = [name for name in onnxruntime.get_available_providers() if name != "AzureExecutionProvider"]
    names = [providers] if isinstance(providers, str) else list([_CPU] if providers is None else providers)
    resolved = []
    for name in names:
        full = _SHORT_NAMES.get(str(name).lower(), str(name))
        if full not in available:
            short = {full: short for short, full in _SHORT_NAMES.items()}
            known = ", ".join(short.get(name, name) for name in available)
            way_out = "Take one of these, or install another build of onnxruntime"
            raise ValueError(
                f"The provider {shorten(repr(name))} is not available here; onnxruntime {onnxruntime.__version__} has {known}. {way_out} "
                "(onnxruntime-gpu, onnxruntime-directml, onnxruntime-openvino, ...)."
            )
        resolved.append(full)
    if not resolved:
        raise ValueError("`providers` is empty: name one, such as 'cpu', or leave it out.")
    return resolved


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__

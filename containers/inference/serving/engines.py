"""What runs the networks: ONNX Runtime on a GPU, OpenVINO on a CPU.

Measured on two cores of a server CPU (docs/serving.md): a core of OpenVINO does the work of one and
a half to four of ONNX Runtime, and one thread per network wastes nothing on threads that wait for
each other, so they get together for a network only when it is the only one. A batch is no faster
there than its lines one after the other; on a GPU it is.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import onnxruntime

from recognition.artefact import ArtefactError
from recognition.preprocessing import Tensor
from recognition.recognizer import OpenModel, open_session
from serving.settings import EngineName

_CPU_LINE_BATCH = 4
_GPU_LINE_BATCH = 32
_GPU_PAGE_BATCH = 4


@dataclass(frozen=True)
class Engine:
    """A library on a device, and how it is used best there.

    lanes: runs at the same time. line_batch, page_batch: the most inputs of one run.
    """

    name: str
    lanes: int
    line_batch: int
    page_batch: int
    open: OpenModel


def choose_engine(name: EngineName, threads: int, max_batch: int | None) -> Engine:
    """Choose by what is installed; `threads` CPU cores are used, and `max_batch` lines per run.

    Raises ArtefactError when the engine that was asked for is not installed.
    """
    if name is not EngineName.OPENVINO and _has_cuda():
        # CUDA comes from packages, where the dynamic linker does not look by itself.
        onnxruntime.preload_dlls()
        return Engine(
            "onnxruntime-cuda", 1, max_batch or _GPU_LINE_BATCH, _GPU_PAGE_BATCH, open_session
        )
    if name is EngineName.ONNXRUNTIME or (name is EngineName.AUTO and not _has_openvino()):
        return Engine(
            "onnxruntime",
            threads,
            max_batch or _CPU_LINE_BATCH,
            1,
            lambda model: open_session(model, threads=1),
        )
    if not _has_openvino():
        raise ArtefactError("OpenVINO is not installed; set SERVE_ENGINE=onnxruntime.")
    activity = Activity()
    return Engine(
        "openvino",
        threads,
        max_batch or _CPU_LINE_BATCH,
        1,
        lambda model: OpenVinoSession(model, threads, activity),
    )


def _has_cuda() -> bool:
    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def _has_openvino() -> bool:
    return find_spec("openvino") is not None


@dataclass(frozen=True)
class _Tensor:
    name: str
    shape: list[int | str | None]


class Activity:
    """Knows whether networks run at this moment, in any thread."""

    def __init__(self) -> None:
        """Begin idle."""
        self._running = 0
        self._lock = threading.Lock()

    @contextmanager
    def run(self) -> Iterator[bool]:
        """Count as running; yield whether nothing else was."""
        with self._lock:
            alone = self._running == 0
            self._running += 1
        try:
            yield alone
        finally:
            with self._lock:
                self._running -= 1


class OpenVinoSession:
    """An ONNX network in OpenVINO, with the part of ONNX Runtime's interface that is used.

    It is compiled twice: for one thread, of which `lanes` may run it at the same time, and for all
    threads together, which is used when nothing else runs. Each thread that runs it has requests of
    its own, whose outputs are overwritten by the thread's next run.
    """

    def __init__(self, model: Path, lanes: int, activity: Activity | None = None) -> None:
        """Compile the network; `activity` is shared by all networks. Raises ArtefactError."""
        # The converter is not used, is slow to import, and can report its use to its maker.
        sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type]
        # Seconds and megabytes that only this engine costs.
        import openvino

        config = {
            "INFERENCE_NUM_THREADS": lanes,
            "INFERENCE_PRECISION_HINT": "f32",
            # The machine has other work to do (decoding, HTTP), whose cores are not known.
            "ENABLE_CPU_PINNING": False,
            # What it makes for every size of an input is kept; pages come in any size.
            "CPU_RUNTIME_CACHE_CAPACITY": 1000,
        }
        try:
            core = openvino.Core()
            network = core.read_model(str(model))
            self._shared = core.compile_model(network, "CPU", {**config, "NUM_STREAMS": lanes})
            self._alone = (
                core.compile_model(network, "CPU", {**config, "NUM_STREAMS": 1})
                if lanes > 1
                else self._shared
            )
        # Its exceptions share no base class but Exception.
        except Exception as error:
            raise ArtefactError(f"{model.name} cannot be loaded by OpenVINO: {error}") from error
        self._activity = activity or Activity()
        self._own = threading.local()

    def run(self, outputs: list[str] | None, feed: dict[str, Tensor]) -> list[Tensor]:
        """Return all outputs; they are valid until this thread's next run."""
        with self._activity.run() as alone:
            name = "alone" if alone else "shared"
            compiled = self._alone if alone else self._shared
            request = getattr(self._own, name, None)
            if request is None:
                request = compiled.create_infer_request()
                setattr(self._own, name, request)
            found = request.infer(feed, share_inputs=True, share_outputs=True)
            return [found[output] for output in compiled.outputs]

    def get_inputs(self) -> list[_Tensor]:
        """Describe the inputs."""
        return [_described(port) for port in self._shared.inputs]

    def get_outputs(self) -> list[_Tensor]:
        """Describe the outputs."""
        return [_described(port) for port in self._shared.outputs]


def _described(port: object) -> _Tensor:
    shape = [
        None if dimension.is_dynamic else dimension.get_length()
        for dimension in port.partial_shape  # type: ignore[attr-defined]
    ]
    return _Tensor(port.any_name, shape)  # type: ignore[attr-defined]

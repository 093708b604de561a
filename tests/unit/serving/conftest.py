from __future__ import annotations

import asyncio
import io
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import httpx
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from recognition.artefact import Manifest, write_manifest
from recognition.dictionary import Reading
from recognition.images import Pixels
from recognition.preprocessing import LineShape
from serving.geometry import Box
from serving.reader import Models
from serving.settings import Settings
from serving.web import Server

Scenario = Callable[[httpx.AsyncClient], Awaitable[None]]

REPOSITORY = Path(__file__).parents[3]
CELL = 8
HEIGHT = 32
LEVELS = {"A": -0.9, "B": -0.5, "C": 0.5, "D": 0.9}


@pytest.fixture(name="stripes")
def _stripes() -> Callable[[str], Pixels]:
    return stripes


@pytest.fixture(name="encoded")
def _encoded() -> Callable[..., bytes]:
    return encoded


def stripes(text: str) -> Pixels:
    """A picture that the stripes model reads: one grey level per character, mid grey between."""
    image = np.full((HEIGHT, CELL * (2 * len(text) + 1), 3), 128, dtype=np.uint8)
    for index, character in enumerate(text):
        start = CELL * (2 * index + 1)
        image[:, start : start + CELL] = round((LEVELS[character] * 0.5 + 0.5) * 255)
    return image


def encoded(pixels: Pixels, file_format: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels[:, :, ::-1])).save(stream, file_format)
    return stream.getvalue()


def _stripes_network() -> onnx.ModelProto:
    """Mean brightness of each cell, then the distance to the level of each class, then softmax."""
    levels = np.asarray([0.0, *LEVELS.values()], dtype=np.float32)
    constants = {
        "cells": np.asarray([0, -1, CELL], dtype=np.int64),
        "last": np.asarray([2], dtype=np.int64),
        "height_and_colour": np.asarray([1, 2], dtype=np.int64),
        "levels": levels.reshape(1, 1, -1),
        "sharpness": np.asarray(-200.0, dtype=np.float32),
    }
    nodes = [
        helper.make_node("ReduceMean", ["x", "height_and_colour"], ["columns"], keepdims=0),
        helper.make_node("Reshape", ["columns", "cells"], ["grouped"]),
        helper.make_node("ReduceMean", ["grouped", "last"], ["brightness"], keepdims=1),
        helper.make_node("Sub", ["brightness", "levels"], ["difference"]),
        helper.make_node("Mul", ["difference", "difference"], ["distance"]),
        helper.make_node("Mul", ["distance", "sharpness"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=2),
    ]
    graph = helper.make_graph(
        nodes,
        "stripes",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, HEIGHT, "w"])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", "t", 5])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.fixture(scope="session")
def base_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An /opt/ml tree with the artefact of a network that reads stripes."""
    base = tmp_path_factory.mktemp("opt-ml")
    model = base / "model"
    (model / "inference").mkdir(parents=True)
    onnx.save(_stripes_network(), str(model / "inference" / "model.onnx"))
    (model / "dict.txt").write_text("".join(f"{c}\n" for c in LEVELS), encoding="utf-8")
    manifest = Manifest(
        run_id="20260101-000000-abcdef", dictionary_size=4, family="tiny", image_shape=(3, 32, 96)
    )
    write_manifest(manifest, model)
    return base


class CountingShape(LineShape):
    """Counts the lines whose width is asked for: those that were handed to the batcher."""

    queued: ClassVar[list[int]]

    def padded_width(self, height: int, width: int) -> int:
        self.queued.append(width)
        return super().padded_width(height, width)


class StripesReader:
    """Reads stripes without a network; can be held back, and fails on lines that start with D."""

    def __init__(self) -> None:
        CountingShape.queued = []
        self.shape = CountingShape.of((3, HEIGHT, 96))
        self.batches: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def read(self, lines: Sequence[Pixels]) -> list[Reading]:
        self.batches.append(len(lines))
        self.entered.set()
        if not self.gate.wait(30):
            raise RuntimeError("the test did not open the gate")
        texts = [self._text(line) for line in lines]
        if any(text.startswith("D") for text in texts):
            raise RuntimeError("poisoned")
        return [Reading(text, 0.9) for text in texts]

    async def wait_until_queued(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(CountingShape.queued) < count:
                await asyncio.sleep(0.005)

    @staticmethod
    def _text(line: Pixels) -> str:
        cells = line[:, CELL // 2 :: CELL].mean(axis=(0, 2)) / 127.5 - 1.0
        names = ["", *LEVELS]
        values = np.asarray([0.0, *LEVELS.values()])
        return "".join(names[int(np.abs(values - cell).argmin())] for cell in cells)


@dataclass
class FixedBoxes:
    """Finds the boxes it was told."""

    boxes: list[Box] = field(default_factory=list)

    def find(self, page: Pixels) -> list[Box]:
        return self.boxes


@dataclass
class Service:
    """A server with injected networks, and a client to it inside the process."""

    recognizer: StripesReader
    detector: FixedBoxes
    settings: Settings
    load_gate: threading.Event
    load_failures: list[str] = field(default_factory=list)
    load_error: Exception | None = None

    def load(self) -> Models:
        if not self.load_gate.wait(30):
            raise RuntimeError("the test did not open the gate")
        if self.load_error is not None:
            raise self.load_error
        return Models(self.recognizer, self.detector, "20260101-000000-abcdef", 4)

    def run(self, scenario: Scenario) -> None:
        """Run the coroutine function against the running application."""
        asyncio.run(self._run(scenario))

    async def _run(self, scenario: Scenario) -> None:
        application = Server(
            self.settings, self.load, lambda: self.load_failures.append("load")
        ).application()
        transport = httpx.ASGITransport(application, raise_app_exceptions=False)
        async with (
            application.router.lifespan_context(application),
            httpx.AsyncClient(transport=transport, base_url="http://server") as client,
        ):
            if self.load_gate.is_set() and self.load_error is None:
                await ready(client)
            await scenario(client)


async def ready(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(30):
        while (await client.get("/ping")).status_code != 200:
            await asyncio.sleep(0.005)


@pytest.fixture
def service() -> Iterator[Service]:
    gate = threading.Event()
    gate.set()
    settings = Settings.from_environment({"MAX_BODY_MEGABYTES": "1", "SERVE_THREADS": "2"})
    made = Service(StripesReader(), FixedBoxes(), settings, gate)
    yield made
    made.recognizer.gate.set()
    gate.set()


@dataclass
class ServeProcess:
    """`serve` as SageMaker runs it."""

    process: subprocess.Popen[str]
    url: str

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.process.communicate()[0]
            try:
                if httpx.get(f"{self.url}/ping", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.02)
        pytest.fail("serve was not ready within 60 s")


@pytest.fixture
def serve() -> Callable[..., object]:
    """Start `serve` on a model directory; it is ended when the block ends."""

    @contextmanager
    def start(base: Path, **environment: str) -> Iterator[ServeProcess]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        containers = REPOSITORY / "containers"
        python_path = f"{containers / 'shared'}:{containers / 'inference'}"
        path = f"{containers / 'inference' / 'bin'}:{Path(sys.executable).parent}"
        process = subprocess.Popen(
            ["serve"],
            env={
                "PATH": f"{path}:{os.environ['PATH']}",
                "PYTHONPATH": python_path,
                "SAGEMAKER_BASE_DIR": str(base),
                "SAGEMAKER_BIND_TO_PORT": str(port),
                "SERVE_HOST": "127.0.0.1",
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield ServeProcess(process, f"http://127.0.0.1:{port}")
        finally:
            process.kill()
            process.communicate()

    return start

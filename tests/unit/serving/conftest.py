from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import httpx
import numpy as np
import pytest
from PIL import Image
from tests.unit.serving.processes import CELL, HEIGHT, LEVELS, make_base_dir, serving_process

from recognition.dictionary import Reading
from recognition.images import Pixels
from recognition.preprocessing import LineShape
from serving.geometry import Box
from serving.reader import Models
from serving.settings import Settings
from serving.web import Server

Scenario = Callable[[httpx.AsyncClient], Awaitable[None]]


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


@pytest.fixture(scope="session")
def base_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An /opt/ml tree with the artefact of a network that reads stripes."""
    return make_base_dir(tmp_path_factory.mktemp("opt-ml"))


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

    def find(self, pages: Sequence[Pixels]) -> list[list[Box]]:
        return [self.boxes for _ in pages]

    def input_size(self, page: Pixels) -> tuple[int, int]:
        return page.shape[1], page.shape[0]


@dataclass
class Service:
    """A server with injected networks, and a client to it inside the process."""

    recognizer: StripesReader
    detector: FixedBoxes
    settings: Settings
    load_gate: threading.Event
    load_failures: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)
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
            self.settings,
            self.load,
            lambda: self.load_failures.append("load"),
            lambda: self.hangs.append("hang"),
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


@pytest.fixture(scope="session")
def serve() -> Callable[..., object]:
    """Start `serve` on a model directory; it is ended when the block ends."""
    return serving_process

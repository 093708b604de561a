"""The OCR of the server, without HTTP: bytes in, predictions out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import cv2
import numpy as np

from recognition.dictionary import Reading
from recognition.images import ImageLimits, Pixels, decode_image
from recognition.preprocessing import LineShape, scale_line
from recognition.recognizer import Recognizer
from serving.batching import Batcher
from serving.detection import TextDetector
from serving.engines import Engine, choose_engine
from serving.geometry import Box
from serving.lanes import Lanes, Pool
from serving.settings import Settings


class Mode(StrEnum):
    """What an image shows: one cropped line, or a page on which lines are to be found."""

    LINE = "line"
    PAGE = "page"


@dataclass(frozen=True)
class Prediction:
    """A line of text, where it is on the image, and the recognizer's confidence 0..1."""

    box: Box
    text: str
    confidence: float


class LineReader(Protocol):
    """What is used of recognition.recognizer.Recognizer."""

    @property
    def shape(self) -> LineShape:
        """Input size of the network."""
        ...

    def read(self, lines: Sequence[Pixels]) -> Sequence[Reading]:
        """Read BGR lines, in their order."""
        ...


class LineFinder(Protocol):
    """What is used of TextDetector."""

    def find(self, pages: Sequence[Pixels]) -> Sequence[Sequence[Box]]:
        """Return the boxes of the lines on BGR pages of one input size, in reading order."""
        ...

    def input_size(self, page: Pixels) -> tuple[int, int]:
        """Return the network's input width and height for a page."""
        ...


@dataclass(frozen=True)
class Models:
    """The loaded networks, how they are run, and what is told about them."""

    recognizer: LineReader
    detector: LineFinder
    version: str
    dictionary_size: int
    engine: str = ""
    lanes: int = 1
    line_batch: int = 16
    page_batch: int = 1


def load_models(settings: Settings) -> Models:
    """Load both networks and read a line with each; slow, call it in a thread.

    Raises ArtefactError when the artefact or the detection model cannot be used.
    """
    # Threads of its own would only compete with those that read other images meanwhile.
    cv2.setNumThreads(1)
    engine = choose_engine(settings.engine, settings.threads, settings.max_batch_lines)
    with ThreadPoolExecutor(2, thread_name_prefix="loader") as loaders:
        detecting = loaders.submit(_load_detector, settings, engine)
        recognizer = loaders.submit(_load_recognizer, settings, engine).result()
        detector = detecting.result()
    return Models(
        recognizer,
        detector,
        version=recognizer.manifest.run_id,
        dictionary_size=recognizer.dictionary_size,
        engine=engine.name,
        lanes=engine.lanes,
        line_batch=engine.line_batch,
        page_batch=engine.page_batch,
    )


def _load_recognizer(settings: Settings, engine: Engine) -> Recognizer:
    recognizer = Recognizer.load(
        settings.model_dir, batch_size=engine.line_batch, open_model=engine.open
    )
    recognizer.read([np.full((recognizer.shape.height, recognizer.shape.width, 3), 255, np.uint8)])
    return recognizer


def _load_detector(settings: Settings, engine: Engine) -> TextDetector:
    detector = TextDetector.load(settings.detection_model, settings.detection_max_side, engine.open)
    detector.find([np.full((64, 320, 3), 255, np.uint8)])
    return detector


class Reader:
    """Reads images of many requests at once: decode, detect and recognize overlap in threads."""

    def __init__(
        self,
        models: Models,
        *,
        limits: ImageLimits,
        threads: int,
        max_pages: int,
        max_lines: int,
    ) -> None:
        """`max_pages` and `max_lines` bound how many decoded images are in memory at any time."""
        self._models = models
        self._limits = limits
        self._shape = models.recognizer.shape
        self._pages = asyncio.Semaphore(max_pages)
        self._lines = asyncio.Semaphore(max_lines)
        self._decoders = Pool(threads, "decoder")
        self._lanes = Lanes(models.lanes)
        self._finder: Batcher[Pixels, Sequence[Box]] = Batcher(
            models.detector.find, models.detector.input_size, models.page_batch, self._lanes
        )
        self._recognizer: Batcher[Pixels, Reading] = Batcher(
            models.recognizer.read, self._network_width, models.line_batch, self._lanes
        )

    async def read(self, data: bytes, mode: Mode) -> list[Prediction]:
        """Read one encoded image. Raises ImageError when it is not an acceptable image."""
        if mode is Mode.LINE:
            async with self._lines:
                return await self._read_line(data)
        async with self._pages:
            return await self._read_page(data)

    def longest_seconds(self) -> float:
        """Return how long a thread has been at one piece of work: it hangs when that is long."""
        return max(self._decoders.longest_seconds(), self._lanes.pool.longest_seconds())

    def close(self) -> None:
        """Give the threads back."""
        self._decoders.close()
        self._lanes.pool.close()

    async def _read_line(self, data: bytes) -> list[Prediction]:
        line, box = await self._decoders.run(lambda: self._decode_line(data))
        (reading,) = await self._recognizer.do([line])
        return [Prediction(box, reading.text, reading.confidence)]

    def _decode_line(self, data: bytes) -> tuple[Pixels, Box]:
        # Scaled here, not in the batch: the photograph's pixels are let go before the line queues.
        image = decode_image(data, self._limits)
        height, width = image.shape[:2]
        return scale_line(image, self._shape), Box.whole(width, height)

    async def _read_page(self, data: bytes) -> list[Prediction]:
        page = await self._decoders.run(lambda: decode_image(data, self._limits))
        (boxes,) = await self._finder.do([page])
        lines = await self._decoders.run(
            lambda: [scale_line(box.crop(page), self._shape) for box in boxes]
        )
        readings = await self._recognizer.do(lines)
        return [
            Prediction(box, reading.text, reading.confidence)
            for box, reading in zip(boxes, readings, strict=True)
            if reading.text
        ]

    def _network_width(self, line: Pixels) -> int:
        return self._shape.padded_width(*line.shape[:2])

"""The OCR of the server, without HTTP: bytes in, predictions out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

import numpy as np
import onnxruntime

from recognition.dictionary import Reading
from recognition.images import ImageLimits, Pixels, decode_image
from recognition.preprocessing import LineShape, scale_line
from recognition.recognizer import Recognizer
from serving.batching import LineBatcher
from serving.detection import TextDetector
from serving.geometry import Box
from serving.settings import Settings

_Result = TypeVar("_Result")


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

    def find(self, page: Pixels) -> Sequence[Box]:
        """Return the boxes of the lines on a BGR page, in reading order."""
        ...


@dataclass(frozen=True)
class Models:
    """The loaded networks and what is told about them."""

    recognizer: LineReader
    detector: LineFinder
    version: str
    dictionary_size: int


def load_models(settings: Settings) -> Models:
    """Load both networks and read a line with each; slow, call it in a thread.

    Raises ArtefactError when the artefact or the detection model cannot be used.
    """
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        # CUDA comes from packages, where the dynamic linker does not look by itself.
        onnxruntime.preload_dlls()
    recognizer = Recognizer.load(settings.model_dir, settings.threads, settings.max_batch_lines)
    detector = TextDetector.load(
        settings.detection_model, settings.threads, settings.detection_max_side
    )
    blank_line = np.full((recognizer.shape.height, recognizer.shape.width, 3), 255, np.uint8)
    recognizer.read([blank_line])
    detector.find(blank_line)
    version = recognizer.manifest.run_id
    return Models(recognizer, detector, version, recognizer.dictionary_size)


class Reader:
    """Reads images of many requests at once: decode, detect and recognize overlap in threads."""

    def __init__(
        self, models: Models, *, limits: ImageLimits, threads: int, max_pages: int, max_batch: int
    ) -> None:
        """`max_pages` bounds how many decoded pages are in memory at any time."""
        self._models = models
        self._limits = limits
        self._shape = models.recognizer.shape
        self._pages = asyncio.Semaphore(max_pages)
        self._decoders = ThreadPoolExecutor(threads, thread_name_prefix="decoder")
        self._finder = ThreadPoolExecutor(1, thread_name_prefix="detector")
        self._batcher = LineBatcher(models.recognizer.read, self._network_width, max_batch)

    async def read(self, data: bytes, mode: Mode) -> list[Prediction]:
        """Read one encoded image. Raises ImageError when it is not an acceptable image."""
        if mode is Mode.LINE:
            return await self._read_line(data)
        async with self._pages:
            return await self._read_page(data)

    def close(self) -> None:
        """Give the threads back."""
        for pool in (self._decoders, self._finder):
            pool.shutdown(wait=True, cancel_futures=True)
        self._batcher.close()

    async def _read_line(self, data: bytes) -> list[Prediction]:
        line, box = await _in_thread(self._decoders, lambda: self._decode_line(data))
        (reading,) = await self._batcher.read([line])
        return [Prediction(box, reading.text, reading.confidence)]

    def _decode_line(self, data: bytes) -> tuple[Pixels, Box]:
        # Scaled here, not in the batch: the photograph's pixels are let go before the line queues.
        image = decode_image(data, self._limits)
        height, width = image.shape[:2]
        return scale_line(image, self._shape), Box.whole(width, height)

    async def _read_page(self, data: bytes) -> list[Prediction]:
        page = await _in_thread(self._decoders, lambda: decode_image(data, self._limits))
        boxes = await _in_thread(self._finder, lambda: self._models.detector.find(page))
        lines = await _in_thread(
            self._decoders, lambda: [scale_line(box.crop(page), self._shape) for box in boxes]
        )
        readings = await self._batcher.read(lines)
        return [
            Prediction(box, reading.text, reading.confidence)
            for box, reading in zip(boxes, readings, strict=True)
            if reading.text
        ]

    def _network_width(self, line: Pixels) -> int:
        return self._shape.padded_width(*line.shape[:2])


async def _in_thread(pool: ThreadPoolExecutor, work: Callable[[], _Result]) -> _Result:
    return await asyncio.get_running_loop().run_in_executor(pool, work)

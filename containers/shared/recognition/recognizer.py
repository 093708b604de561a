"""A recognizer that reads lines with ONNX Runtime; evaluation and serving both use this class."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime

from recognition.artefact import MODEL_ONNX, ArtefactError, Manifest, read_manifest
from recognition.dictionary import CharacterDictionary, DictionaryError, Reading
from recognition.images import Pixels
from recognition.preprocessing import (
    LineShape,
    Tensor,
    batches_of_equal_width,
    scale_line,
    to_tensor,
)

__all__ = ["OpenModel", "Reading", "Recognizer", "Session", "open_session"]


class TensorInfo(Protocol):
    """An input or output: its name, and its dimensions (no number where they are free)."""

    @property
    def name(self) -> str:
        """Name in the network."""
        ...

    @property
    def shape(self) -> Sequence[int | str | None]:
        """Dimensions."""
        ...


class Session(Protocol):
    """What is used of onnxruntime.InferenceSession."""

    def run(self, outputs: list[str] | None, feed: dict[str, Tensor]) -> list[Tensor]:
        """Return the named outputs (all of them for None)."""
        ...

    def get_inputs(self) -> Sequence[TensorInfo]:
        """Describe the inputs."""
        ...

    def get_outputs(self) -> Sequence[TensorInfo]:
        """Describe the outputs."""
        ...


OpenModel = Callable[[Path], Session]
"""Loads an ONNX model. Raises ArtefactError when it cannot be loaded."""


def open_session(model: Path | bytes, threads: int | None = None) -> Session:
    """Open an ONNX model on CUDA when ONNX Runtime offers it, else on `threads` CPU threads.

    Raises ArtefactError when the model cannot be loaded.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or os.cpu_count() or 1
    options.log_severity_level = 3
    # Spinning threads starve the other runtimes (and sessions) of the same process.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    preferred = ("CUDAExecutionProvider", "CPUExecutionProvider")
    available = onnxruntime.get_available_providers()
    providers = [name for name in preferred if name in available]
    source = model if isinstance(model, bytes) else str(model)
    try:
        session: Session = onnxruntime.InferenceSession(source, options, providers=providers)
    # ONNX Runtime's exceptions share no base class but Exception.
    except Exception as error:
        name = "The ONNX model" if isinstance(model, bytes) else model.name
        raise ArtefactError(f"{name} cannot be loaded by ONNX Runtime: {error}") from error
    return session


@dataclass(frozen=True)
class Recognizer:
    """Reads lines of text. Safe to use from several threads at once."""

    manifest: Manifest
    dictionary: CharacterDictionary
    shape: LineShape
    batch_size: int
    _session: Session
    _input_name: str

    @classmethod
    def load(
        cls,
        model_dir: Path,
        threads: int | None = None,
        batch_size: int = 8,
        open_model: OpenModel | None = None,
    ) -> Recognizer:
        """Load an unpacked model artefact.

        `batch_size` bounds memory: so many lines of the network's own width go through at once.
        `open_model` is what loads the network, ONNX Runtime on `threads` threads by default.
        Raises ArtefactError when a file is missing, damaged or of another model.
        """
        manifest = read_manifest(model_dir)
        manifest.verify(model_dir, (MODEL_ONNX, "dict.txt"))
        network = model_dir / MODEL_ONNX
        session = open_model(network) if open_model else open_session(network, threads)
        try:
            dictionary = CharacterDictionary.read(model_dir / "dict.txt")
            classes = session.get_outputs()[0].shape[-1]
            if isinstance(classes, int):
                dictionary = dictionary.fitted_to(classes)
        except DictionaryError as error:
            raise ArtefactError(str(error)) from error
        return cls(
            manifest=manifest,
            dictionary=dictionary,
            shape=LineShape.of(manifest.image_shape),
            batch_size=batch_size,
            _session=session,
            _input_name=session.get_inputs()[0].name,
        )

    @property
    def dictionary_size(self) -> int:
        """Characters the model can write."""
        return len(self.dictionary)

    def read(self, lines: Sequence[Pixels]) -> list[Reading]:
        """Read BGR uint8 images [height, width, 3] of any size, each one line; in their order.

        Spaces before and after the text, which a margin may look like, are left out.
        """
        scaled = [scale_line(line, self.shape) for line in lines]
        widths = [self.shape.padded_width(*line.shape[:2]) for line in scaled]
        readings: list[Reading] = [Reading("", 0.0)] * len(lines)
        for indices in batches_of_equal_width(widths, self.batch_size, self.shape.width):
            batch = to_tensor([scaled[index] for index in indices], widths[indices[0]])
            found = self.dictionary.read_probabilities(self.probabilities(batch))
            for index, reading in zip(indices, found, strict=True):
                readings[index] = Reading(reading.text.strip(), reading.confidence)
        return readings

    def probabilities(self, batch: Tensor) -> Tensor:
        """Run the network: [lines, 3, height, width] in, [lines, steps, classes] out."""
        (output,) = self._session.run(None, {self._input_name: batch})
        return np.asarray(output, dtype=np.float32)

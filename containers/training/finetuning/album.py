"""The pictures of lines that people look at after an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from recognition.images import Pixels

_FOLDER = "examples"
_HEIGHT, _WIDTH = 48, 960
_QUALITY = 85


@dataclass
class Album:
    """Writes pictures below a directory, numbered one after the other."""

    directory: Path
    _written: int = 0

    def add(self, line: Pixels) -> str:
        """Write a BGR line as JPEG of at most 48 x 960 pixels; return its name in the directory."""
        self._written += 1
        name = f"{_FOLDER}/{self._written:04d}.jpg"
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        found, content = cv2.imencode(".jpg", _shrunk(line), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        if not found:
            raise OSError(f"{name} cannot be encoded.")
        path.write_bytes(content.tobytes())
        return name


def _shrunk(line: Pixels) -> Pixels:
    height, width = line.shape[:2]
    scale = min(1.0, _HEIGHT / height, _WIDTH / width)
    if scale == 1.0:
        return line
    size = max(1, int(width * scale)), max(1, int(height * scale))
    return np.asarray(cv2.resize(line, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)

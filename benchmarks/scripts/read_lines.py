"""Reads lines with a model artefact, as evaluation and serving do; runs in the training runtime.

read_lines.py MODEL_DIRECTORY IMAGE_DIRECTORY NAMES.json READINGS.json: both JSON files have a list
per set of lines, of image names and of what was read.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from recognition.images import decode_image
from recognition.recognizer import Recognizer

_AT_ONCE = 256


def main(model: str, images: str, names: str, readings: str) -> None:
    """Read everything."""
    recognizer = Recognizer.load(Path(model))
    sets = json.loads(Path(names).read_text(encoding="utf-8"))
    found = {key: _read(recognizer, Path(images), each) for key, each in sets.items()}
    Path(readings).write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")


def _read(recognizer: Recognizer, images: Path, names: list[str]) -> list[str]:
    texts: list[str] = []
    for start in range(0, len(names), _AT_ONCE):
        chunk = names[start : start + _AT_ONCE]
        lines = [decode_image((images / name).read_bytes()) for name in chunk]
        texts += [reading.text for reading in recognizer.read(lines)]
    return texts


if __name__ == "__main__":
    main(*sys.argv[1:])

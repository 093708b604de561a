"""Writes the generic lines that our trainer mixes in, for others; runs in the training runtime.

generic_lines.py DICTIONARY SEED COUNT DIRECTORY: images and labels.txt.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2

from finetuning.rendering import GenericLines
from recognition.dictionary import CharacterDictionary


def main(dictionary: str, seed: str, count: str, directory: str) -> None:
    """Write the lines."""
    target = Path(directory)
    target.mkdir(parents=True, exist_ok=True)
    lines = GenericLines(CharacterDictionary.read(Path(dictionary)), int(seed)).lines(int(count))
    rows = []
    for number, line in enumerate(lines, start=1):
        name = f"{number:05d}.png"
        if not cv2.imwrite(str(target / name), line.pixels):
            raise OSError(f"{target / name} cannot be written.")
        rows.append(f"{name}\t{line.text}\n")
    (target / "labels.txt").write_text("".join(rows), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The benchmarks' lines on disk: each is made once, and depends on its set and number alone."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.domains import DOMAINS, KEPT
from benchmarks.domains.line import LineMaker

# Raise it with every change of what the same number gives, or old lines stay in use.
VERSION = 2
_LABELS = "labels.txt"


@dataclass(frozen=True)
class LabelledLine:
    """The name of an image below the data's directory, and what it says."""

    name: str
    text: str


@dataclass(frozen=True)
class Data:
    """The directory that all sets of lines are made in."""

    directory: Path

    @classmethod
    def below(cls, cache: Path) -> Data:
        """Return the data that a cache directory keeps."""
        return cls(cache / f"data-{VERSION}")

    def train(self, domain: str, count: int, seed: int) -> list[LabelledLine]:
        """Return lines to train on; no two seeds (from 1 on) share a line."""
        lines = self._set(domain, "train", DOMAINS[domain].train, count * seed)
        return lines[count * (seed - 1) :]

    def test(self, domain: str, count: int) -> list[LabelledLine]:
        """Return lines of a domain that no training sees."""
        return self._set(domain, "test", DOMAINS[domain].test, count)

    def kept(self, name: str, count: int) -> list[LabelledLine]:
        """Return lines of what must not be forgotten."""
        return self._set(name, "test", KEPT[name], count)

    def _set(self, name: str, part: str, make: LineMaker, count: int) -> list[LabelledLine]:
        folder = self.directory / name / part
        lines = read_labels(folder / _LABELS) if (folder / _LABELS).is_file() else []
        if len(lines) < count:
            folder.mkdir(parents=True, exist_ok=True)
            for index in range(len(lines), count):
                line = make(np.random.default_rng((VERSION, _stream(name, part), index)))
                file = f"{index + 1:05d}{line.suffix}"
                (folder / file).write_bytes(line.image)
                lines.append(LabelledLine(f"{name}/{part}/{file}", line.text))
            write_labels(folder / _LABELS, lines)
        return lines[:count]


def _stream(name: str, part: str) -> int:
    return zlib.crc32(f"{name}/{part}".encode())


def characters(lines: Iterable[LabelledLine]) -> list[str]:
    """Return the characters that lines are made of, sorted."""
    return sorted({character for line in lines for character in line.text})


def read_labels(path: Path) -> list[LabelledLine]:
    """Read a label file: `image<TAB>text` per line."""
    rows = path.read_text(encoding="utf-8").split("\n")
    pairs = (row.partition("\t") for row in rows if row)
    return [LabelledLine(name, text) for name, _, text in pairs]


def write_labels(path: Path, lines: Iterable[LabelledLine]) -> None:
    """Write a label file, at once or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    text = "".join(f"{line.name}\t{line.text}\n" for line in lines)
    partial.write_text(text, encoding="utf-8", newline="\n")
    partial.replace(path)

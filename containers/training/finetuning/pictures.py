"""The pictures of labelled lines: every image decoded once, its lines cut out and scaled."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, groupby, islice
from pathlib import Path

from finetuning.labels import Label, LabelError, image_path
from recognition.cropping import BoxError, crop_line
from recognition.images import ImageError, Pixels, decode_image
from recognition.preprocessing import LineShape, scale_line


@dataclass(frozen=True)
class PictureReader:
    """Reads the lines of label files; about `at_once` scaled lines are in memory at a time."""

    directory: Path
    shape: LineShape
    at_once: int

    def read(self, labels: Sequence[Label]) -> Iterator[tuple[int, Pixels | str]]:
        """Yield each label's index and its line, or the reason why there is none.

        Lines of one image come together, images in the order in which the labels name them.
        """
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for images in self._portions(labels):
                named = [[labels[index] for index in indices] for indices in images]
                for indices, lines in zip(images, pool.map(self._lines, named), strict=True):
                    yield from zip(indices, lines, strict=True)

    def _portions(self, labels: Sequence[Label]) -> Iterator[list[list[int]]]:
        """Yield images as the indices of their labels, as many as have enough lines together."""
        portion: list[list[int]] = []
        lines = 0
        for indices in _by_image(labels):
            portion.append(indices)
            lines += len(indices)
            if lines >= self.at_once:
                yield portion
                portion, lines = [], 0
        if portion:
            yield portion

    def _lines(self, labels: Sequence[Label]) -> Iterator[Pixels | str]:
        image = self._decode(labels[0].key)
        lines = (image if isinstance(image, str) else self._line(image, each) for each in labels)
        # An image of very many lines is kept instead of its lines, and these are cut out when they
        # are asked for.
        return chain(list(islice(lines, self.at_once)), lines)

    def _decode(self, key: str) -> Pixels | str:
        try:
            return decode_image(image_path(self.directory, key).read_bytes())
        except (OSError, LabelError):
            return "missing_image"
        except ImageError:
            return "unreadable_image"

    def _line(self, image: Pixels, label: Label) -> Pixels | str:
        try:
            line = crop_line(image, label.points()) if label.box else image
        except BoxError:
            return "bad_box"
        # Photographs are large and lines are small: only the small one is kept.
        return scale_line(line, self.shape)


def _by_image(labels: Sequence[Label]) -> Iterator[list[int]]:
    first: dict[str, int] = {}
    for index, label in enumerate(labels):
        first.setdefault(label.key, index)

    def image(index: int) -> int:
        return first[labels[index].key]

    for _, indices in groupby(sorted(range(len(labels)), key=image), key=image):
        yield list(indices)

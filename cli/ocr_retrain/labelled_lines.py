"""The labelled lines of a folder on this machine, read by the rules that drops are read by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ocr_retrain.dataset_folder import DatasetFolder, FolderFile, scan
from ocr_retrain.errors import UserError
from retraining.characters import refusal
from retraining.label_files import (
    is_holdout_file,
    is_label_file_by_name,
    is_superseded,
    parse_label_file,
)
from retraining.label_paths import OutsideDatasetError, candidates
from retraining.label_rows import LabelLine
from retraining.lines import Line
from retraining.normalization import Normalization

_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class LabelledLines:
    """What a folder labels: keys are paths relative to it.

    ``held`` come of its own holdout files (val.txt, test.txt), ``images`` are the files that any
    line names, ``problems`` counts what cannot be used by its reason.
    """

    train: tuple[Line, ...]
    held: tuple[Line, ...]
    images: tuple[FolderFile, ...]
    problems: Counter[str]

    @property
    def characters(self) -> tuple[str, ...]:
        """What the train lines are written with, the most frequent first."""
        counts = Counter(character for line in self.train for character in line.text)
        return tuple(character for character, _ in counts.most_common())


def read_labelled(root: Path, normalization: Normalization) -> LabelledLines:
    """Read all label files of a folder.

    Raises UserError when it is no folder with labels, or no line of it can be trained on.
    """
    folder = scan(root)
    if folder.archives:
        raise UserError(f"{root} is or holds an archive: unpack it first.")
    files = {file.relative: file for file in folder.images}
    sides: dict[bool, dict[Line, None]] = {True: {}, False: {}}
    problems: Counter[str] = Counter()
    for label in _label_files(folder):
        for line in _rows(label, problems):
            found = _usable(line, label.relative, files, normalization, problems)
            if found is not None:
                sides[is_holdout_file(label.relative)][found] = None
    held = tuple(sides[True])
    kept_out = {line.key for line in held}
    train = tuple(line for line in sides[False] if line.key not in kept_out)
    if not train:
        told = ", ".join(f"{name} ({number})" for name, number in sorted(problems.items()))
        raise UserError(f"{root} has no line to train on{f': {told}' if told else ''}.")
    used = dict.fromkeys(line.key for line in (*train, *held))
    return LabelledLines(train, held, tuple(files[key] for key in used), problems)


def _label_files(folder: DatasetFolder) -> Iterator[FolderFile]:
    names = [label.relative for label in folder.labels]
    for label in folder.labels:
        if is_label_file_by_name(label.relative) and not is_superseded(label.relative, names):
            yield label


def _rows(label: FolderFile, problems: Counter[str]) -> Iterator[LabelLine]:
    with label.path.open("rb") as content:
        chunks = iter(lambda: content.read(_CHUNK), b"")
        for row in parse_label_file(label.relative, chunks):
            problems.update(problem.code for problem in row.problems)
            yield from row.lines


def _usable(
    line: LabelLine,
    label_file: str,
    files: dict[str, FolderFile],
    normalization: Normalization,
    problems: Counter[str],
) -> Line | None:
    try:
        places = candidates(line.path, label_file)
    except OutsideDatasetError:
        problems["outside_dataset"] += 1
        return None
    key = next((place for place in places if place in files), None)
    if key is None:
        problems["missing_image"] += 1
        return None
    usable = normalization.line(Line(key, line.text, line.points))
    # The rule is for characters that a model does not know yet, and every model knows the space.
    if any(refusal(each, usable.text) for each in usable.text if each != " "):
        problems["unusable_character"] += 1
        return None
    return usable

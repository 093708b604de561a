"""Reads a drop: its listing and its label files, not yet its images."""

from collections.abc import Iterable
from dataclasses import dataclass

from retraining import s3_layout
from retraining.label_files import (
    DatasetFiles,
    LabelLine,
    OutsideDatasetError,
    Problem,
    is_holdout_file,
    is_label_file_by_name,
    looks_like_a_label_file,
    parse_label_file,
)
from retraining.storage import Bucket, NoSuchObjectError, StoredObject

LARGEST_LABEL_FILE_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class DropLine:
    """A label line whose image exists; ``image`` is its key, ``size`` its bytes."""

    image: str
    size: int
    text: str
    where: str
    own_holdout: bool


@dataclass(frozen=True)
class ReadFile:
    """A text file that was read: its path below the dataset and its ETag."""

    relative: str
    etag: str


@dataclass(frozen=True)
class Drop:
    """What a drop says about itself.

    ``missing`` are images the labels name and that are not there (yet). ``label_lines`` counts all
    lines of its label files, good and bad.
    """

    dataset: str
    lines: tuple[DropLine, ...]
    problems: tuple[Problem, ...]
    missing: tuple[str, ...]
    read_files: tuple[ReadFile, ...]
    label_files: tuple[str, ...]
    label_lines: int


@dataclass(frozen=True)
class _Labels:
    relative: str
    lines: tuple[LabelLine, ...]
    rows: int


def read_drop(dataset: str, bucket: Bucket) -> Drop:
    """List a drop and read its label files. Faults in them are problems, never exceptions."""
    root = s3_layout.dataset_prefix(dataset)
    objects = {each.key.removeprefix(root): each for each in bucket.list(root)}
    texts = [name for name in objects if name.lower().endswith(".txt")]
    problems: list[Problem] = []
    read_files: list[ReadFile] = []
    labels: list[_Labels] = []
    for relative in _holdout_files_first(texts):
        found = _read_labels(dataset, relative, objects[relative], bucket, read_files)
        problems.extend(found[1])
        if found[0] is not None:
            labels.append(found[0])
    resolver = _Resolver(objects)
    lines = tuple(line for each in labels for line in resolver.resolve(each.relative, each.lines))
    problems.extend(resolver.problems)
    return Drop(
        dataset=dataset,
        lines=lines,
        problems=tuple(problems),
        missing=tuple(dict.fromkeys(root + each for each in resolver.missing)),
        read_files=tuple(read_files),
        label_files=tuple(each.relative for each in labels),
        label_lines=sum(each.rows for each in labels),
    )


def _holdout_files_first(relatives: Iterable[str]) -> list[str]:
    # The first mention of an image counts; an image that is held out must stay so.
    return sorted(relatives, key=lambda each: (not is_holdout_file(each), each))


def _read_labels(
    dataset: str,
    relative: str,
    stored: StoredObject,
    bucket: Bucket,
    read_files: list[ReadFile],
) -> tuple[_Labels | None, tuple[Problem, ...]]:
    name = f"{dataset}/{relative}"
    if stored.size > LARGEST_LABEL_FILE_BYTES:
        read_files.append(ReadFile(relative, stored.etag))
        if not is_label_file_by_name(relative):
            return None, (_not_labels(name),)
        limit = LARGEST_LABEL_FILE_BYTES // 1024**2
        about = f"is larger than {limit} MB; split it"
        return None, (Problem("label_file_too_large", name, about),)
    try:
        content = bucket.read(stored.key)
    except NoSuchObjectError:
        return None, ()
    read_files.append(ReadFile(relative, content.etag))
    if not looks_like_a_label_file(relative, content.body):
        return None, (_not_labels(name),)
    parsed = parse_label_file(name, content.body)
    return _Labels(relative, parsed.lines, parsed.rows), parsed.problems


def _not_labels(name: str) -> Problem:
    return Problem("not_a_label_file", name, "has no `path<TAB>text` lines; ignored")


class _Resolver:
    """Finds the images that label lines name, across all label files of one drop."""

    def __init__(self, objects: dict[str, StoredObject]) -> None:
        self._objects = objects
        self._files = DatasetFiles(objects)
        self._first_mention: dict[str, str] = {}
        self.problems: list[Problem] = []
        self.missing: list[str] = []

    def resolve(self, label_file: str, lines: Iterable[LabelLine]) -> list[DropLine]:
        own_holdout = is_holdout_file(label_file)
        resolved: list[DropLine] = []
        for line in lines:
            image = self._find(line, label_file)
            if image is not None:
                stored = self._objects[image]
                resolved.append(
                    DropLine(stored.key, stored.size, line.text, line.where, own_holdout)
                )
        return resolved

    def _find(self, line: LabelLine, label_file: str) -> str | None:
        try:
            image = self._files.find(line.path, label_file)
        except OutsideDatasetError:
            about = f"{line.path} lies outside the dataset"
            self.problems.append(Problem("outside_dataset", line.where, about))
            return None
        if image is None:
            self.problems.append(Problem("missing_image", line.where, line.path))
            self.missing.append(line.path)
            return None
        first = self._first_mention.setdefault(image, line.where)
        if first != line.where:
            about = f"{image} has its text from {first} already"
            self.problems.append(Problem("duplicate_image", line.where, about))
            return None
        return image

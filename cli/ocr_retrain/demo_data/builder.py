"""Writes the demo data: a labelled drop of a new domain, a golden set, and a few samples."""

import json
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ocr_retrain.demo_data.digits import ScanPool, split_scans
from ocr_retrain.demo_data.errors import DemoDataError
from ocr_retrain.demo_data.general import make_general_line
from ocr_retrain.demo_data.handwriting import LONGEST, SHORTEST, make_line

# Raise it with every change of what the same seed gives, or old builds stay in use.
VERSION = 2
DATASET_NAME = "handwriting"
GOLDEN_NAME = "general"
_MARKER = "demo-data.json"
_SAMPLE_LABELS = "truth.txt"
# Streams of random numbers: a line depends on the seed, its part and its number only.
_STREAMS = {"train": 10, "holdout": 11, "samples": 12, "golden": 13}


@dataclass(frozen=True)
class Sizes:
    """How many lines each part has."""

    train: int = 1200
    holdout: int = 250
    samples: int = 60
    golden: int = 300


@dataclass(frozen=True)
class DemoData:
    """Where the demo data lies.

    golden: folder of the golden set, named as the set; labels/test.txt. dataset: folder to drop as
    `dataset_name`; labels/train.txt and labels/val.txt. samples: images that are in neither, with
    what they say.
    """

    golden: Path
    dataset: Path
    dataset_name: str
    samples: tuple[tuple[Path, str], ...]


@dataclass(frozen=True)
class _LabelledImage:
    name: str
    content: bytes
    truth: str


def build(target: Path, seed: int = 0, sizes: Sizes | None = None) -> DemoData:
    """Make the demo data in the folder `target`, or return what a complete build left there.

    The same seed and sizes always give the same files. Raises DemoDataError when `target` holds
    something else or a package with the sources is missing.
    """
    sizes = sizes or Sizes()
    recipe = {"version": VERSION, "seed": seed, "sizes": asdict(sizes)}
    if _is_complete(target, recipe):
        return _describe(target)
    if _holds_something_else(target):
        raise DemoDataError(f"{target} holds something else; choose a new folder for demo data.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
        fresh, stale = Path(scratch, "fresh"), Path(scratch, "stale")
        _write_all(fresh, seed, sizes, recipe)
        if target.exists():
            target.rename(stale)
        fresh.rename(target)
    return _describe(target)


def _write_all(folder: Path, seed: int, sizes: Sizes, recipe: dict[str, object]) -> None:
    pools = split_scans(seed)
    for part, count, labels in (
        ("train", sizes.train, "train.txt"),
        ("holdout", sizes.holdout, "val.txt"),
    ):
        _write_part(folder / DATASET_NAME, labels, _handwriting(pools[part], part, count, seed))
    _write_part(folder / "golden" / GOLDEN_NAME, "test.txt", _general(sizes.golden, seed))
    samples = _handwriting(pools["samples"], "samples", sizes.samples, seed)
    _write_part(folder / "samples", _SAMPLE_LABELS, samples)
    (folder / _MARKER).write_text(json.dumps(recipe, indent=2) + "\n", encoding="utf-8")


def _handwriting(pool: ScanPool, part: str, count: int, seed: int) -> Iterable[_LabelledImage]:
    lengths = LONGEST - SHORTEST + 1
    for index in range(count):
        rng = np.random.default_rng([seed, _STREAMS[part], index])
        line = make_line(pool, SHORTEST + index % lengths, rng)
        yield _LabelledImage(f"{part}-{index + 1:04d}{line.suffix}", line.image, line.truth)


def _general(count: int, seed: int) -> Iterable[_LabelledImage]:
    for index in range(count):
        line = make_general_line(np.random.default_rng([seed, _STREAMS["golden"], index]))
        yield _LabelledImage(f"general-{index + 1:04d}.jpg", *line)


def _write_part(folder: Path, label_file: str, images: Iterable[_LabelledImage]) -> None:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "labels").mkdir(parents=True, exist_ok=True)
    lines = []
    for image in images:
        (folder / "images" / image.name).write_bytes(image.content)
        lines.append(f"images/{image.name}\t{image.truth}\n")
    (folder / "labels" / label_file).write_text("".join(lines), encoding="utf-8", newline="\n")


def _is_complete(target: Path, recipe: dict[str, object]) -> bool:
    try:
        if json.loads((target / _MARKER).read_text(encoding="utf-8")) != recipe:
            return False
        folders = (target / DATASET_NAME, target / "golden" / GOLDEN_NAME, target / "samples")
        return all(path.is_file() for folder in folders for path, _ in _read_labels(folder))
    except (OSError, ValueError):
        return False


def _holds_something_else(target: Path) -> bool:
    if target.is_dir():
        return any(target.iterdir()) and not (target / _MARKER).exists()
    return target.exists()


def _read_labels(folder: Path) -> Iterable[tuple[Path, str]]:
    for labels in sorted((folder / "labels").iterdir()):
        for line in labels.read_text(encoding="utf-8").splitlines():
            name, _, truth = line.partition("\t")
            yield folder / name, truth


def _describe(target: Path) -> DemoData:
    return DemoData(
        golden=target / "golden" / GOLDEN_NAME,
        dataset=target / DATASET_NAME,
        dataset_name=DATASET_NAME,
        samples=tuple(_read_labels(target / "samples")),
    )

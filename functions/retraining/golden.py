"""Reads the golden sets: ``golden/<set>/labels/*.txt`` with images beside them."""

from collections import defaultdict

from retraining import s3_layout
from retraining.label_files import DatasetFiles, OutsideDatasetError, parse_label_file
from retraining.lines import Line
from retraining.normalization import Normalization
from retraining.planning import GoldenSet
from retraining.storage import Bucket


def load_golden_sets(bucket: Bucket, normalization: Normalization) -> tuple[GoldenSet, ...]:
    """Read all golden sets, by name; their texts are normalised like those of a drop."""
    files: dict[str, list[str]] = defaultdict(list)
    for each in bucket.list(s3_layout.GOLDEN):
        name, slash, relative = each.key.removeprefix(s3_layout.GOLDEN).partition("/")
        if slash and relative:
            files[name].append(relative)
    return tuple(
        _load(name, relatives, bucket, normalization) for name, relatives in sorted(files.items())
    )


def _load(
    name: str, relatives: list[str], bucket: Bucket, normalization: Normalization
) -> GoldenSet:
    root = f"{s3_layout.GOLDEN}{name}/"
    known = DatasetFiles(relatives)
    lines: dict[str, Line] = {}
    dropped = 0
    for relative in sorted(relatives):
        if not (relative.startswith("labels/") and relative.lower().endswith(".txt")):
            continue
        labels = parse_label_file(relative, bucket.read(root + relative).body)
        dropped += len(labels.problems)
        for each in labels.lines:
            image = _find(known, each.path, relative)
            if image is None:
                dropped += 1
            else:
                lines.setdefault(image, Line(root + image, normalization.text(each.text)))
    return GoldenSet(name, tuple(lines.values()), dropped)


def _find(known: DatasetFiles, path: str, label_file: str) -> str | None:
    try:
        return known.find(path, label_file)
    except OutsideDatasetError:
        return None

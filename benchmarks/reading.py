"""How well a model reads sets of lines: one and the same evaluation for every contender."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import processes
from benchmarks.datasets import LabelledLine
from benchmarks.places import REPOSITORY, SCRIPTS, training_environment

Sets = Mapping[str, Sequence[LabelledLine]]

_READER = "read_lines.py"


@dataclass(frozen=True)
class Reader:
    """Reads with the product's recognizer; what a model read once is kept in `cache`."""

    images: Path
    cache: Path

    def accuracies(self, model: Path, sets: Sets) -> dict[str, float]:
        """Return the share of lines read exactly, per set, by the model of an artefact."""
        readings = self.readings(model, sets)
        return {name: exact_match(lines, readings[name]) for name, lines in sets.items()}

    def readings(self, model: Path, sets: Sets) -> dict[str, list[str]]:
        """Return what the model of an artefact reads in every line, per set."""
        kept = self.cache / "texts" / f"{_identity(model)}.json"
        known: dict[str, list[str]] = json.loads(kept.read_text("utf-8")) if kept.is_file() else {}
        names = {name: f"{name} {_fingerprint(lines)}" for name, lines in sets.items()}
        missing = {name: sets[name] for name, key in names.items() if key not in known}
        if missing:
            found = self.read(model, missing)
            known |= {names[name]: found[name] for name in missing}
            kept.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps(known, indent=1, ensure_ascii=False)
            unfinished = kept.with_suffix(".unfinished")
            unfinished.write_text(f"{text}\n", encoding="utf-8")
            unfinished.replace(kept)
        return {name: known[key] for name, key in names.items()}

    def read(self, model: Path, sets: Sets) -> dict[str, list[str]]:
        """Return what the model reads in every line."""
        with tempfile.TemporaryDirectory() as directory:
            scratch = Path(directory)
            names, readings = scratch / "names.json", scratch / "readings.json"
            wanted = {key: [line.name for line in lines] for key, lines in sets.items()}
            names.write_text(json.dumps(wanted), encoding="utf-8")
            script = SCRIPTS / _READER
            processes.run(
                [REPOSITORY.training_python, script, model, self.images, names, readings],
                scratch / "log",
                training_environment(),
            ).check()
            found: dict[str, list[str]] = json.loads(readings.read_text(encoding="utf-8"))
        return found


def exact_match(lines: Sequence[LabelledLine], readings: Sequence[str]) -> float:
    """Return the share of lines that were read exactly."""
    pairs = zip(lines, readings, strict=True)
    return sum(line.text.strip() == reading.strip() for line, reading in pairs) / len(lines)


def recall(
    lines: Sequence[LabelledLine], readings: Sequence[str], characters: Collection[str]
) -> float | None:
    """Return which share of these characters was read, each in its own line; None without any.

    Their order within a line is not looked at.
    """
    wanted = found = 0
    for line, reading in zip(lines, readings, strict=True):
        asked = Counter(character for character in line.text if character in characters)
        wanted += asked.total()
        found += (asked & Counter(reading)).total()
    return found / wanted if wanted else None


def _identity(model: Path) -> str:
    digest = hashlib.sha256()
    for name in ("inference/model.onnx", "dict.txt"):
        digest.update((model / name).read_bytes())
    return digest.hexdigest()[:24]


def _fingerprint(lines: Sequence[LabelledLine]) -> str:
    text = "\n".join(f"{line.name}\t{line.text}" for line in lines)
    return hashlib.sha256(text.encode()).hexdigest()[:16]

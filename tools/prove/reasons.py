"""The reviewed list of what looks like too much and is not; every entry has its reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

FILE = Path(__file__).with_name("reasons.yaml")


@dataclass(frozen=True)
class Reasons:
    """Patterns with a reason each; ``*`` stands for anything, as in file names."""

    section: str
    patterns: dict[str, str]

    def covers(self, name: str) -> bool:
        """Whether there is a reason for this."""
        return any(fnmatchcase(name, pattern) for pattern in self.patterns)

    def without_cause(self, names: Iterable[str]) -> list[str]:
        """Return the patterns that fit none of the names any more."""
        known = list(names)
        return [
            f"{FILE.name}, {self.section}: {pattern!r} fits nothing in the template; remove it"
            for pattern in self.patterns
            if not any(fnmatchcase(name, pattern) for name in known)
        ]


def read(section: str, file: Path = FILE) -> Reasons:
    """Return one section of the file; raises ValueError for an entry without a reason."""
    given = yaml.safe_load(file.read_text(encoding="utf-8")).get(section) or {}
    for pattern, reason in given.items():
        if not isinstance(reason, str) or len(reason.split()) < 3:
            raise ValueError(f"{file.name}, {section}: {pattern!r} needs a reason in words")
    return Reasons(section, dict(given))

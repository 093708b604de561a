"""What a check found: well, worth knowing, or in the way, and how to put it right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much a finding matters; only ``problem`` keeps a deployment from working."""

    FINE = "fine"
    NOTICE = "notice"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what was found, and what to do unless it is fine."""

    subject: str
    level: Level
    message: str
    fix: str = ""

    def as_json(self) -> dict[str, str]:
        """Return the finding for ``--json``."""
        return {
            "subject": self.subject,
            "level": self.level.value,
            "message": self.message,
            "fix": self.fix,
        }


def fine(subject: str, message: str) -> Finding:
    """Say that something is as it should be."""
    return Finding(subject, Level.FINE, message)


def notice(subject: str, message: str, fix: str) -> Finding:
    """Say that something will be felt, but is not in the way."""
    return Finding(subject, Level.NOTICE, message, fix)


def problem(subject: str, message: str, fix: str) -> Finding:
    """Say that something is in the way."""
    return Finding(subject, Level.PROBLEM, message, fix)


def problems(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that are in the way."""
    return [finding for finding in findings if finding.level is Level.PROBLEM]

"""What a validation found, for people and for the state machine. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

from retraining.character_findings import CharacterFindings
from retraining.label_files import Problem

MOST_MISSING_NAMED = 20
MOST_CHARACTERS_NAMED = 20
MOST_EXAMPLES = 5

_IN_WORDS = {
    "no_tab": "no tab between image and text",
    "empty_label": "no text",
    "extra_tab": "a second tab",
    "page_annotation": "annotations of whole pages",
    "missing_image": "a missing image",
    "unreadable_image": "an unreadable image",
    "outside_dataset": "an image outside the dataset",
    "duplicate_image": "an image that is labelled twice",
    "unknown_character": "a character the model cannot write",
    "empty_label_file": "an empty label file",
    "binary_label_file": "a label file that is not UTF-8 text",
    "label_file_too_large": "a label file that is too large",
}


class ProblemSummary(TypedDict):
    """How often a problem occurs, and where first."""

    code: str
    count: int
    first: list[str]


class Validation(TypedDict):
    """What the state machine is told; everything by name lies at ``report``.

    ``character_notes`` are whole sentences for people.
    """

    complete: bool
    give_up_waiting: bool
    missing_count: int
    missing_first: list[str]
    train_lines: int
    holdout_lines: int
    new_character_count: int
    new_characters_first: list[str]
    rare_character_count: int
    rare_characters_first: list[str]
    character_notes: list[str]
    report: str
    problems: list[ProblemSummary]
    reason: str


@dataclass(frozen=True)
class DatasetReport:
    """What was found in one dataset."""

    name: str
    label_files: Sequence[str]
    label_lines: int
    train_lines: int = 0
    holdout_lines: int = 0
    holdout_rule: str = ""


@dataclass(frozen=True)
class Report:
    """What was found in the drops of a run."""

    run_id: str
    complete: bool
    give_up_waiting: bool
    datasets: Sequence[DatasetReport]
    missing: Sequence[str]
    problems: Sequence[Problem]
    normalised: Mapping[str, int] = field(default_factory=dict)
    characters: CharacterFindings = field(default_factory=CharacterFindings)

    @property
    def train_lines(self) -> int:
        """Usable lines that training may see."""
        return sum(each.train_lines for each in self.datasets)

    @property
    def holdout_lines(self) -> int:
        """Usable lines that are held out."""
        return sum(each.holdout_lines for each in self.datasets)

    @property
    def waits(self) -> bool:
        """Tell whether the upload is still under way."""
        return not self.complete and not self.give_up_waiting

    @property
    def reason(self) -> str:
        """Say in one sentence why nothing can be trained on; "" when something can."""
        if self.waits or self.train_lines:
            return ""
        names = ", ".join(each.name for each in self.datasets)
        if not any(each.label_files for each in self.datasets):
            return (
                f"There is no label file for {names}: upload labels/train.txt with one line "
                "`path<TAB>text` per image."
            )
        if self.holdout_lines:
            return (
                f"All {self.holdout_lines} usable lines of {names} are held out; add train lines."
            )
        lines = sum(each.label_lines for each in self.datasets)
        faults = ", ".join(
            f"{each['count']} x {_IN_WORDS.get(each['code'], each['code'])}"
            for each in summarize(self.problems)
            if each["code"] in _IN_WORDS
        )
        return f"None of the {lines} label lines of {names} can be used: {faults or 'all empty'}."

    def as_json(self) -> dict[str, Any]:
        """Give the shape of validation.json: every problem by name."""
        return {
            "run_id": self.run_id,
            "complete": self.complete,
            "give_up_waiting": self.give_up_waiting,
            "train_lines": self.train_lines,
            "holdout_lines": self.holdout_lines,
            "reason": self.reason,
            "notes": self.characters.sentences(),
            "datasets": [
                {
                    "name": each.name,
                    "label_files": list(each.label_files),
                    "label_lines": each.label_lines,
                    "train_lines": each.train_lines,
                    "holdout_lines": each.holdout_lines,
                    "holdout_rule": each.holdout_rule,
                }
                for each in self.datasets
            ],
            "missing": list(self.missing),
            "normalised": dict(self.normalised),
            **self.characters.as_json(),
            "problems": [
                {"code": code, "count": len(found), "all": found}
                for code, found in _by_code(self.problems).items()
            ],
        }

    def as_answer(self, report_uri: str) -> Validation:
        """Give what the state machine is told."""
        return {
            "complete": self.complete,
            "give_up_waiting": self.give_up_waiting,
            "missing_count": len(self.missing),
            "missing_first": list(self.missing[:MOST_MISSING_NAMED]),
            "train_lines": self.train_lines,
            "holdout_lines": self.holdout_lines,
            "new_character_count": len(self.characters.new),
            "new_characters_first": list(self.characters.new)[:MOST_CHARACTERS_NAMED],
            "rare_character_count": len(self.characters.rare),
            "rare_characters_first": list(self.characters.rare)[:MOST_CHARACTERS_NAMED],
            "character_notes": self.characters.sentences(),
            "report": report_uri,
            "problems": summarize(self.problems),
            "reason": self.reason,
        }


def summarize(problems: Sequence[Problem]) -> list[ProblemSummary]:
    """Count problems by code, most frequent first, with a few examples each."""
    return [
        {"code": code, "count": len(found), "first": found[:MOST_EXAMPLES]}
        for code, found in _by_code(problems).items()
    ]


def _by_code(problems: Sequence[Problem]) -> dict[str, list[str]]:
    codes: dict[str, list[str]] = {}
    for each in problems:
        codes.setdefault(each.code, []).append(str(each))
    return dict(sorted(codes.items(), key=lambda item: (-len(item[1]), item[0])))

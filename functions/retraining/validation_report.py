"""What a validation found, for people and for the state machine. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

from retraining.character_findings import CharacterFindings
from retraining.outcomes import NOTHING_TO_TRAIN, WAITING_FOR_MORE

MOST_MISSING_NAMED = 20
MOST_CHARACTERS_NAMED = 20
MOST_EXAMPLES = 5
MOST_FILES_NAMED = 100
# Of the 256 kB of a state's payload, which holds a run's verdict and deployment as well.
_MOST_BYTES_OF_EXAMPLES = 64 * 1024
INCOMPLETE = "incomplete_dataset"

_IN_WORDS = {
    "no_tab": "no tab between image and text",
    "empty_label": "no text",
    "extra_tab": "a second tab",
    "missing_image": "a missing image",
    "unreadable_image": "an unreadable image",
    "outside_dataset": "an image outside the dataset",
    "duplicate_line": "a line that is labelled twice",
    "conflicting_label": "another text for the same line",
    "label_too_long": "a text that is too long",
    "text_longer_than_image": "a text that its image has no room for",
    "control_character": "a control character",
    "illegible_box": "a box that nobody could read",
    "bad_box": "a box that cannot be cut out",
    "bad_annotation": "boxes that are no JSON",
    "empty_page": "a page without boxes",
    "unusable_path": "a path that no file can have",
    "unusable_name": "an image that a job cannot download",
    "row_too_long": "a row that is too long",
    "not_utf8": "a row that is not UTF-8",
    "utf16_label_file": "a label file that is UTF-16",
    "trained_before": "an image to hold out that was trained on before",
    "held_out_elsewhere": "an image that is held out",
    "in_golden_set": "an image of a golden set",
    "broken_archive": "an archive that cannot be read",
    "unknown_character": "a character the model cannot write",
    "empty_label_file": "an empty label file",
    "binary_label_file": "a label file that is not UTF-8 text",
}


def in_words(code: str) -> str:
    """Say what keeps a line from being used; the code itself where there are no words for it."""
    return _IN_WORDS.get(code, code.replace("_", " "))


class ProblemSummary(TypedDict):
    """How often a problem occurs, and where first."""

    code: str
    count: int
    first: list[str]


class Validation(TypedDict):
    """What the state machine is told; everything by name lies at ``report``.

    ``character_notes`` are whole sentences for people. ``image_shards`` is above 0 while images are
    left that other functions are to check; their list lies at ``image_shards_uri``.
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
    outcome: str
    image_shards: int
    image_shards_uri: str


@dataclass(frozen=True)
class DatasetReport:
    """What was found in one dataset: what every label line came to.

    ``unused`` counts lines by what keeps them from being used; together with the train and holdout
    lines that is all ``label_lines``. ``set_aside`` says why nothing of it is used, or is "".
    """

    name: str
    label_files: Sequence[str]
    label_lines: int
    missing: int = 0
    train_lines: int = 0
    holdout_lines: int = 0
    unused: Mapping[str, int] = field(default_factory=dict)
    holdout_rule: str = ""
    set_aside: str = ""

    def as_json(self) -> dict[str, Any]:
        """Give its part of validation.json."""
        return {
            "name": self.name,
            "label_files": list(self.label_files[:MOST_FILES_NAMED]),
            "label_file_count": len(self.label_files),
            "label_lines": self.label_lines,
            "missing_images": self.missing,
            "train_lines": self.train_lines,
            "holdout_lines": self.holdout_lines,
            "unused_lines": dict(self.unused),
            "holdout_rule": self.holdout_rule,
            "set_aside": self.set_aside,
        }


@dataclass(frozen=True)
class Lists:
    """Where the full lists lie that a report gives the beginnings of."""

    missing_uri: str = ""
    problems_uri: str = ""
    shards: int = 0
    shards_uri: str = ""


@dataclass(frozen=True)
class Report:
    """What was found in the drops of a run."""

    run_id: str
    complete: bool
    give_up_waiting: bool
    datasets: Sequence[DatasetReport]
    missing_first: Sequence[str]
    problems: Sequence[ProblemSummary]
    normalised: Mapping[str, int] = field(default_factory=dict)
    characters: CharacterFindings = field(default_factory=CharacterFindings)
    lists: Lists = field(default_factory=Lists)
    enough_to_judge: int = 1

    @property
    def train_lines(self) -> int:
        """Usable lines that training may see."""
        return sum(each.train_lines for each in self.datasets)

    @property
    def holdout_lines(self) -> int:
        """Usable lines that are held out."""
        return sum(each.holdout_lines for each in self.datasets)

    @property
    def missing(self) -> int:
        """Images that the labels name and that are not there."""
        return sum(each.missing for each in self.datasets)

    @property
    def waits(self) -> bool:
        """Tell whether the upload is still under way."""
        return not self.complete and not self.give_up_waiting

    @property
    def outcome(self) -> str:
        """How the run ends without a training, "" when it goes on.

        A candidate that nothing can tell from the champion is not worth its training.
        """
        if self.waits or self.lists.shards:
            return ""
        if not self.train_lines:
            return NOTHING_TO_TRAIN
        return "" if self.holdout_lines >= self.enough_to_judge else WAITING_FOR_MORE

    @property
    def reason(self) -> str:
        """Say in one sentence why nothing is trained; "" when something is."""
        if not self.outcome:
            return ""
        if self.outcome == WAITING_FOR_MORE:
            return (
                f"Only {self.holdout_lines} lines can be held out to judge a model by, and "
                f"{self.enough_to_judge} are needed; what has come waits for the next upload."
            )
        names = ", ".join(each.name for each in self.datasets)
        aside = [f"{each.name} {each.set_aside}" for each in self.datasets if each.set_aside]
        if aside and len(aside) == len(self.datasets):
            return f"{'; '.join(aside)}."
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
            f"{each['count']} x {_IN_WORDS[each['code']]}"
            for each in self.problems
            if each["code"] in _IN_WORDS
        )
        return f"None of the {lines} label lines of {names} can be used: {faults or 'all empty'}."

    def as_json(self) -> dict[str, Any]:
        """Give the shape of validation.json: counts, and the first of everything by name."""
        return {
            "run_id": self.run_id,
            "complete": self.complete,
            "give_up_waiting": self.give_up_waiting,
            "train_lines": self.train_lines,
            "holdout_lines": self.holdout_lines,
            "reason": self.reason,
            "outcome": self.outcome,
            "notes": self.characters.sentences(),
            "datasets": [each.as_json() for each in self.datasets],
            "missing_count": self.missing,
            "missing": list(self.missing_first),
            "missing_uri": self.lists.missing_uri,
            "normalised": dict(self.normalised),
            **self.characters.as_json(),
            "problems": list(self.problems),
            "problems_uri": self.lists.problems_uri,
        }

    def as_answer(self, report_uri: str) -> Validation:
        """Give what the state machine is told."""
        return {
            "complete": self.complete,
            "give_up_waiting": self.give_up_waiting,
            "missing_count": self.missing,
            "missing_first": list(self.missing_first),
            "train_lines": self.train_lines,
            "holdout_lines": self.holdout_lines,
            "new_character_count": len(self.characters.new),
            "new_characters_first": list(self.characters.new)[:MOST_CHARACTERS_NAMED],
            "rare_character_count": len(self.characters.rare),
            "rare_characters_first": list(self.characters.rare)[:MOST_CHARACTERS_NAMED],
            "character_notes": self.characters.sentences(),
            "report": report_uri,
            "problems": _fitting(self.problems),
            "reason": self.reason,
            "outcome": self.outcome,
            "image_shards": self.lists.shards,
            "image_shards_uri": self.lists.shards_uri,
        }


def _fitting(problems: Sequence[ProblemSummary]) -> list[ProblemSummary]:
    """Keep all counts, and of the examples as many as a payload has room for."""
    room = _MOST_BYTES_OF_EXAMPLES
    kept: list[ProblemSummary] = []
    for each in problems:
        first: list[str] = []
        for example in each["first"]:
            room -= len(json.dumps(example))
            if room >= 0:
                first.append(example)
        kept.append({**each, "first": first})
    return kept

"""What one row of a label file says. Pure."""

from dataclasses import dataclass

from retraining.lines import Points
from retraining.problems import Problem


@dataclass(frozen=True)
class LabelLine:
    """One image path as written in the label file, its text, and where this was said.

    ``points`` are the corners of the line on a page image; without them the image is the line.
    """

    path: str
    text: str
    where: str
    points: Points = ()


@dataclass(frozen=True)
class LabelRow:
    """A row: the lines it labels and what is wrong with it; number 0 speaks of the whole file."""

    number: int
    lines: tuple[LabelLine, ...]
    problems: tuple[Problem, ...]

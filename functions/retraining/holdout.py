"""Splits usable lines into train and holdout by the images' content. Pure."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from retraining.lines import Line

_SPACE = 16**8


@dataclass(frozen=True)
class UsableLine:
    """A line whose image was read: ``sha256`` is of the image's bytes.

    ``own_holdout`` is true when the dataset's own val.txt names the line, ``where`` the place for a
    person.
    """

    line: Line
    sha256: str
    own_holdout: bool
    where: str = ""


@dataclass(frozen=True)
class Split:
    """Lines that training may see, and lines it never sees."""

    train_lines: tuple[UsableLine, ...]
    holdout_lines: tuple[UsableLine, ...]
    rule: str

    @property
    def train(self) -> tuple[Line, ...]:
        """Lines that training may see."""
        return tuple(each.line for each in self.train_lines)

    @property
    def holdout(self) -> tuple[Line, ...]:
        """Lines that no training ever sees."""
        return tuple(each.line for each in self.holdout_lines)

    @property
    def held_images(self) -> frozenset[str]:
        """The content hashes of the images that are held out."""
        return frozenset(each.sha256 for each in self.holdout_lines)

    def without_train_images(self, held: Collection[str]) -> "Split":
        """Take images that are held out elsewhere away from training."""
        kept = tuple(each for each in self.train_lines if each.sha256 not in held)
        return Split(kept, self.holdout_lines, self.rule)

    def only(self, usable: Callable[[UsableLine], bool]) -> "Split":
        """Keep the lines that can be used, on the side they are on."""
        return Split(
            tuple(each for each in self.train_lines if usable(each)),
            tuple(each for each in self.holdout_lines if usable(each)),
            self.rule,
        )


def split(lines: Sequence[UsableLine], percent: int, enough_to_judge: int) -> Split:
    """Decide which lines are held out.

    The dataset's own holdout wins. Otherwise the content hash decides, so that an image stays on
    its side whatever it is called and whenever it is dropped. A dataset of at least three times
    ``enough_to_judge`` images holds out that many even where ``percent`` of it would be fewer:
    with fewer, its training could never be judged.
    """
    own = tuple(each for each in lines if each.own_holdout)
    if own:
        others = tuple(each for each in lines if not each.own_holdout)
        whole = Split(others, own, "the dataset's own holdout file")
        return whole.without_train_images(whole.held_images)
    held = _held_by_hash(lines, percent, enough_to_judge)
    return Split(
        train_lines=tuple(each for each in lines if each.sha256 not in held),
        holdout_lines=tuple(each for each in lines if each.sha256 in held),
        rule=f"{percent} percent by image content, at least {enough_to_judge} of many",
    )


def _held_by_hash(lines: Sequence[UsableLine], percent: int, enough: int) -> frozenset[str]:
    hashes = sorted({each.sha256 for each in lines})
    limit = _SPACE * percent // 100
    held = sum(int(each[:8], 16) < limit for each in hashes)
    # Taking the smallest hashes keeps this stable: as a dataset grows lines may leave the holdout,
    # but none that was trained on ever enters it.
    if held < enough and len(hashes) >= 3 * enough:
        held = enough
    return frozenset(hashes[:held])

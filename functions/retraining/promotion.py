"""The rule that decides whether a candidate replaces the champion. Pure.

A candidate is promoted when it reads the new data better, by enough and by more than luck
explains, and reads nothing it knew before noticeably worse.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

ABSOLUTE_FLOOR = 0.5
# Differences are ratios of line counts: 2 of 200 lines must count as exactly 0.01.
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Rule:
    """The thresholds; gains and drops are fractions of lines read exactly."""

    min_gain: float
    max_drop: float
    min_slice_lines: int
    significance: float


@dataclass(frozen=True)
class Slice:
    """One evaluation set, both models on the same lines. No champion: its counts are 0."""

    name: str
    kind: str
    both_right: int
    only_champion_right: int
    only_candidate_right: int
    both_wrong: int
    has_champion: bool = True

    @property
    def lines(self) -> int:
        """Lines that both models read."""
        return (
            self.both_right + self.only_champion_right + self.only_candidate_right + self.both_wrong
        )

    @property
    def champion(self) -> float | None:
        """The share of lines the champion reads exactly."""
        if not self.has_champion:
            return None
        return _share(self.both_right + self.only_champion_right, self.lines)

    @property
    def candidate(self) -> float:
        """The share of lines the candidate reads exactly."""
        return _share(self.both_right + self.only_candidate_right, self.lines)

    @property
    def gain(self) -> float:
        """Candidate minus champion."""
        return _share(self.only_candidate_right - self.only_champion_right, self.lines)


@dataclass(frozen=True)
class SliceVerdict:
    """What one evaluation set says about the candidate."""

    slice: Slice
    passed: bool
    sentence: str
    p_value: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Give the shape verdict.json holds."""
        about: dict[str, Any] = {
            "name": self.slice.name,
            "kind": self.slice.kind,
            "lines": self.slice.lines,
            "champion_exact_match": self.slice.champion,
            "candidate_exact_match": self.slice.candidate,
            "difference": self.slice.gain if self.slice.has_champion else None,
            "passed": self.passed,
            "sentence": self.sentence,
        }
        if self.p_value is not None:
            about["p_value"] = self.p_value
        return about


@dataclass(frozen=True)
class Verdict:
    """The decision, its reasons in plain sentences, and what each evaluation set says."""

    promote: bool
    headline: str
    reasons: tuple[str, ...]
    slices: tuple[SliceVerdict, ...]

    def as_json(self) -> dict[str, Any]:
        """Give the shape of verdict.json."""
        return {
            "promote": self.promote,
            "headline": self.headline,
            "reasons": list(self.reasons),
            "slices": [each.as_json() for each in self.slices],
        }


def judge(slices: Sequence[Slice], rule: Rule) -> Verdict:
    """Decide on a candidate from the evaluation of both models."""
    verdicts = tuple(_judge_slice(each, rule) for each in slices)
    new = [each for each in slices if each.kind == "new" and each.lines >= rule.min_slice_lines]
    promising, about_new = _judge_new(new, rule)
    worse = [each.sentence for each in verdicts if not each.passed and each.slice.kind != "new"]
    small = [each.sentence for each in verdicts if each.slice.lines < rule.min_slice_lines]
    known = [
        each
        for each in verdicts
        if each.slice.kind != "new" and each.slice.lines >= rule.min_slice_lines
    ]
    reasons = [about_new, *worse]
    if known and not worse and all(each.slice.has_champion for each in known):
        reasons.append(_nothing_lost(known, rule))
    promote = promising and not worse
    return Verdict(promote, _headline(promote, promising, new), (*reasons, *small), verdicts)


def mcnemar(only_champion_right: int, only_candidate_right: int) -> float:
    """Tell how likely chance alone makes two equally good models differ at least this much.

    The exact two-sided McNemar test: on the lines only one of the two reads, it is as if a coin
    decided which one.
    """
    decisive = only_champion_right + only_candidate_right
    fewer = min(only_champion_right, only_candidate_right)
    # comb(n, k + 1) from comb(n, k): thousands of lines would take seconds one by one.
    ways = tail = 1
    for each in range(fewer):
        ways = ways * (decisive - each) // (each + 1)
        tail += ways
    return min(1.0, 2 * tail / (1 << decisive))


def _judge_new(new: Sequence[Slice], rule: Rule) -> tuple[bool, str]:
    if not new:
        return False, (
            "No new dataset has enough held out lines to judge by: at least "
            f"{rule.min_slice_lines} are needed in one of them. Drop more labelled lines."
        )
    pooled = _pool(new)
    if pooled.champion is None:
        good = pooled.candidate >= ABSOLUTE_FLOOR - _TOLERANCE
        return good, (
            "There is no approved model to compare with; the candidate reads "
            f"{_percent(pooled.candidate)} of {pooled.lines} new lines exactly, and at least "
            f"{_percent(ABSOLUTE_FLOOR)} are asked for."
        )
    p = mcnemar(pooled.only_champion_right, pooled.only_candidate_right)
    enough = pooled.gain >= rule.min_gain - _TOLERANCE
    supported = p < rule.significance
    return enough and supported, f"{_comparison(pooled)} {_why(pooled, enough, supported, p, rule)}"


def _why(pooled: Slice, enough: bool, supported: bool, p: float, rule: Rule) -> str:
    if not enough:
        return (
            f"That is a gain of {_points(pooled.gain)}, and at least "
            f"{_points(rule.min_gain)} are asked for."
        )
    if not supported:
        return (
            f"So small a difference on {pooled.lines} lines may well be luck (chance alone does "
            f"this in {_percent(p)} of cases; less than {_percent(rule.significance)} is asked "
            "for). More held out lines would tell."
        )
    return f"Luck does not explain this: chance alone does it in {_rarely(p)} of cases."


def _judge_slice(each: Slice, rule: Rule) -> SliceVerdict:
    if each.lines < rule.min_slice_lines:
        return SliceVerdict(
            each,
            True,
            f"{_title(each)} has {each.lines} lines, too few to judge by "
            f"({rule.min_slice_lines} are needed); it does not count.",
        )
    if not each.has_champion:
        passed = each.kind != "new" or each.candidate >= ABSOLUTE_FLOOR - _TOLERANCE
        share = f"{_percent(each.candidate)} of {each.lines} lines are read exactly"
        return SliceVerdict(each, passed, f"{_title(each)}: {share}; there is nothing to compare.")
    p = mcnemar(each.only_champion_right, each.only_candidate_right)
    if each.kind == "new":
        passed = each.gain >= rule.min_gain - _TOLERANCE and p < rule.significance
        return SliceVerdict(each, passed, _comparison(each), p)
    passed = -each.gain <= rule.max_drop + _TOLERANCE
    allowed = f"a drop of up to {_points(rule.max_drop)} is allowed"
    ending = "" if passed else f" That is a drop of {_points(-each.gain)}; {allowed}."
    return SliceVerdict(each, passed, f"{_comparison(each)}{ending}", p)


def _pool(slices: Sequence[Slice]) -> Slice:
    if len(slices) == 1:
        return slices[0]
    return Slice(
        name=", ".join(each.name for each in slices),
        kind="new",
        both_right=sum(each.both_right for each in slices),
        only_champion_right=sum(each.only_champion_right for each in slices),
        only_candidate_right=sum(each.only_candidate_right for each in slices),
        both_wrong=sum(each.both_wrong for each in slices),
        has_champion=all(each.has_champion for each in slices),
    )


def _nothing_lost(known: Sequence[SliceVerdict], rule: Rule) -> str:
    worst = min(known, key=lambda each: each.slice.gain).slice
    change = f"loses {_points(-worst.gain)}" if worst.gain < 0 else f"gains {_points(worst.gain)}"
    if worst.gain == 0:
        change = "stays the same"
    return (
        f"What the model knew before is kept: at worst, {_title(worst)} {change} "
        f"({_percent(worst.champion or 0.0)} to {_percent(worst.candidate)} of {worst.lines} "
        f"lines); up to {_points(rule.max_drop)} less is allowed."
    )


def _headline(promote: bool, promising: bool, new: Sequence[Slice]) -> str:
    if not new:
        return "Rejected: too few new lines to judge by."
    pooled = _pool(new)
    before = "" if pooled.champion is None else f" instead of {_percent(pooled.champion)}"
    measured = f"{_percent(pooled.candidate)} of the new lines are read exactly{before}"
    if promote:
        return f"Promoted: {measured}."
    if promising:
        return f"Rejected: {measured}, but what the model knew before got worse."
    return f"Rejected: {measured}, which is not enough."


def _comparison(each: Slice) -> str:
    return (
        f"{_title(each)}: {_percent(each.champion or 0.0)} to {_percent(each.candidate)} of "
        f"{each.lines} lines are read exactly; {each.only_candidate_right} lines got better, "
        f"{each.only_champion_right} got worse."
    )


def _title(each: Slice) -> str:
    kinds = {"new": "new data", "old": "earlier data", "golden": "golden set"}
    return f"{each.name} ({kinds.get(each.kind, each.kind)})"


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"


def _points(fraction: float) -> str:
    return f"{100 * fraction:.1f} points"


def _rarely(p: float) -> str:
    return f"{100 * p:.1f} %" if p >= 0.001 else "less than 0.1 %"

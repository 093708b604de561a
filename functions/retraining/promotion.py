"""The rule that decides whether a candidate replaces the champion. Pure; see docs/evaluation.md.

A candidate is promoted when it reads the new data better, by enough and by more than luck
explains, reads nothing noticeably worse, and takes no longer.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from retraining import verdict_sentences as say
from retraining.chance import difference_interval, drop_bound, loss_by_chance, mcnemar, wilson
from retraining.measured import Evaluation, Latency, Slice, pool

# A drop of so many times what is allowed counts as soon as chance does not explain it in that set
# alone; a smaller one must be certain enough for all sets together.
LARGE_DROP = 3
# Fewer lines prove nothing. Of equal models that read 4 of 100 lines better and 4 worse, 99 of 100
# prove a margin of five points with so many.
CONCLUSIVE_LINES = 500
# A pause of the machine weighs little among so many lines.
TIMED_LINES = 200
# Differences are ratios of line counts: 2 of 200 lines must count as exactly 0.01.
_TOLERANCE = 1e-9

_LOST = "what the model knew before got worse"
_NEW_LOST = "some of the new data is read worse"
_SLOW = "reading takes too long"


@dataclass(frozen=True)
class Policy:
    """The thresholds; gains and drops are fractions of lines read exactly.

    ``max_latency_factor`` is how many times as long as the champion a candidate may take, 0 for
    any; ``absolute_floor`` is asked for where there is no champion to compare with.
    ``non_inferiority_margin`` is how large a drop must be ruled out, with the certainty
    1 - ``significance``; 0 for none.
    """

    min_gain: float
    max_drop: float
    min_slice_lines: int
    significance: float
    absolute_floor: float = 0.5
    max_latency_factor: float = 2.0
    non_inferiority_margin: float = 0.05


@dataclass(frozen=True)
class SliceVerdict:
    """What one evaluation set says about the candidate.

    ``dropped`` when it is read worse than is allowed, or a drop above the margin is not ruled out;
    ``doubtful`` when it is read worse than is allowed and that may be bad luck.
    """

    slice: Slice
    passed: bool
    sentence: str
    p_value: float | None = None
    dropped: bool = False
    doubtful: bool = False

    def as_json(self, policy: Policy) -> dict[str, Any]:
        """Give the shape verdict.json holds."""
        each = self.slice
        about: dict[str, Any] = {
            "name": each.name,
            "kind": each.kind,
            "lines": each.lines,
            "champion_exact_match": each.champion,
            "candidate_exact_match": each.candidate,
            "candidate_interval": wilson(each.candidate_right, each.lines),
            "difference": None,
            "passed": self.passed,
            "sentence": self.sentence,
        }
        if self.p_value is not None:
            about["p_value"] = self.p_value
        if each.has_champion:
            changed = each.only_champion_right, each.only_candidate_right
            about["difference"] = each.gain
            about["champion_interval"] = wilson(each.champion_right, each.lines)
            about["confidence_interval"] = difference_interval(*changed, each.lines)
            if each.kind != "new":
                about["drop_bound"] = _bound(each, policy)
                about["non_inferior"] = _non_inferior(each, policy)
        return about


@dataclass(frozen=True)
class Verdict:
    """The decision, its reasons in plain sentences, and what each evaluation set says."""

    promote: bool
    headline: str
    reasons: tuple[str, ...]
    slices: tuple[SliceVerdict, ...]
    policy: Policy
    champion_error: str = ""
    latency: Latency | None = None

    def as_json(self) -> dict[str, Any]:
        """Give the shape of verdict.json."""
        timed = self.latency
        return {
            "promote": self.promote,
            "headline": self.headline,
            "reasons": list(self.reasons),
            "policy": {
                **asdict(self.policy),
                "large_drop": LARGE_DROP * self.policy.max_drop,
                "timed_lines": TIMED_LINES,
                "conclusive_lines": CONCLUSIVE_LINES,
            },
            "champion_error": self.champion_error,
            "latency": {**asdict(timed), "factor": timed.factor} if timed else None,
            "slices": [each.as_json(self.policy) for each in self.slices],
        }


@dataclass(frozen=True)
class _Finding:
    """The answer to one of the questions that decide; ``objection`` ends the headline of a no."""

    passed: bool
    sentence: str
    objection: str = ""


def judge(evaluation: Evaluation, policy: Policy) -> Verdict:
    """Decide on a candidate from the evaluation of both models."""
    new = [each for each in evaluation.slices if each.kind == "new"]
    known = [each for each in evaluation.slices if each.kind != "new"]
    slices = _judge_slices(evaluation.slices, policy, several_new=len(new) > 1)
    pooled = pool(new, "new")
    enough = pooled.lines >= policy.min_slice_lines
    findings = [
        _judge_new(pooled, evaluation.champion_error, policy),
        *_judge_drops(slices, several_new=len(new) > 1),
        *_judge_known(pool(known, ""), evaluation.champion_error, policy, several=len(known) > 1),
        *_judge_latency(evaluation.latency, policy),
    ]
    objections = [each.objection for each in findings if not each.passed]
    if _LOST not in objections:
        findings[1:1] = _what_is_kept(slices, policy)
    small = [each.sentence for each in slices if each.slice.lines < policy.min_slice_lines]
    return Verdict(
        promote=not objections,
        headline=say.headline(pooled if enough else None, list(dict.fromkeys(objections))),
        reasons=(*(each.sentence for each in findings), *small),
        slices=slices,
        policy=policy,
        champion_error=evaluation.champion_error,
        latency=evaluation.latency,
    )


# --- set by set


def _judge_slices(
    slices: Sequence[Slice], policy: Policy, *, several_new: bool
) -> tuple[SliceVerdict, ...]:
    tested = [
        each
        for each in slices
        if each.lines >= policy.min_slice_lines and (each.kind != "new" or several_new)
    ]
    # Of many equal sets one looks worse by chance soon; so they share what chance may do.
    level = policy.significance / max(1, len(tested))
    return tuple(_judge_slice(each, policy, level) for each in slices)


def _judge_slice(each: Slice, policy: Policy, level: float) -> SliceVerdict:
    if each.lines < policy.min_slice_lines:
        return SliceVerdict(each, True, say.too_few(each, policy.min_slice_lines))
    if not each.has_champion:
        passed = each.kind != "new" or each.candidate >= policy.absolute_floor - _TOLERANCE
        return SliceVerdict(each, passed, say.candidate_alone(each))
    p = mcnemar(each.only_champion_right, each.only_candidate_right)
    dropped, doubtful, about = _drop(each, policy, level)
    passed = not dropped
    if each.kind == "new":
        passed = each.gain >= policy.min_gain - _TOLERANCE and p < policy.significance
    sentence = f"{say.comparison(each)} {about}".rstrip()
    return SliceVerdict(each, passed, sentence, p, dropped, doubtful)


def _drop(each: Slice, policy: Policy, level: float) -> tuple[bool, bool, str]:
    """Tell whether a set got worse, whether that is doubtful, and what to say of it.

    ``level`` is how rarely chance must do as much for a drop that is not large.
    """
    allowed, margin = policy.max_drop, policy.non_inferiority_margin
    above = each.drop > allowed + _TOLERANCE
    if each.drop > LARGE_DROP * allowed + _TOLERANCE:
        level = policy.significance
    p = loss_by_chance(each.only_champion_right, each.only_candidate_right)
    if above and p < level:
        return True, False, say.real_drop(each.drop, allowed, p)
    if each.kind != "new" and _non_inferior(each, policy) is False:
        return True, False, say.possible_drop(_bound(each, policy), margin, policy.significance)
    if above:
        return False, True, say.unlucky_drop(each.drop, allowed, p, level)
    return False, False, ""


def _bound(each: Slice, policy: Policy) -> float:
    return drop_bound(
        each.only_champion_right, each.only_candidate_right, each.lines, policy.significance
    )


def _non_inferior(each: Slice, policy: Policy) -> bool | None:
    """Tell whether a drop above the margin is ruled out; None when that is not asked.

    The one-sided test of non-inferiority for paired shares (Tango 1998, as in ``chance``): the
    upper bound of the drop must not exceed the margin.
    """
    if not policy.non_inferiority_margin or each.lines < CONCLUSIVE_LINES:
        return None
    return _bound(each, policy) <= policy.non_inferiority_margin


# --- question by question


def _judge_new(pooled: Slice, champion_error: str, policy: Policy) -> _Finding:
    if pooled.lines < policy.min_slice_lines:
        too_few = say.too_few_new(pooled.lines, policy.min_slice_lines)
        return _Finding(False, too_few, say.NOT_ENOUGH)
    if not pooled.has_champion:
        return _judge_alone(pooled, "new", champion_error, policy)
    p = mcnemar(pooled.only_champion_right, pooled.only_candidate_right)
    passed = False
    if pooled.gain <= 0:
        why = say.NO_GAIN
    elif pooled.gain < policy.min_gain - _TOLERANCE:
        why = say.small_gain(pooled.gain, policy.min_gain)
    elif p >= policy.significance:
        why = say.lucky_gain(pooled.lines, p, policy.significance)
    else:
        why, passed = say.real_gain(p), True
    return _Finding(passed, f"{say.comparison(pooled)} {why}", say.NOT_ENOUGH)


def _judge_alone(pooled: Slice, what: str, champion_error: str, policy: Policy) -> _Finding:
    return _Finding(
        pooled.candidate >= policy.absolute_floor - _TOLERANCE,
        say.floor(what, pooled, policy.absolute_floor, champion_error),
        say.NOT_ENOUGH if what == "new" else _LOST,
    )


def _judge_drops(slices: Sequence[SliceVerdict], *, several_new: bool) -> list[_Finding]:
    return [
        _Finding(not each.dropped, each.sentence, _NEW_LOST if each.slice.kind == "new" else _LOST)
        for each in slices
        if (each.dropped or each.doubtful) and (each.slice.kind != "new" or several_new)
    ]


def _judge_known(
    pooled: Slice, champion_error: str, policy: Policy, *, several: bool
) -> list[_Finding]:
    """Judge earlier and golden lines together: small drops everywhere, and sets that are small."""
    if pooled.lines < policy.min_slice_lines:
        return []
    if not pooled.has_champion:
        return [_judge_alone(pooled, "earlier and golden", champion_error, policy)]
    together = replace(pooled, name="All earlier and golden lines together")
    dropped, _, about = _drop(together, policy, policy.significance)
    if not (several and dropped):
        return []
    return [_Finding(False, f"{say.comparison(together)} {about}", _LOST)]


def _what_is_kept(slices: Sequence[SliceVerdict], policy: Policy) -> list[_Finding]:
    known = [
        each
        for each in slices
        if each.slice.kind != "new" and each.slice.lines >= policy.min_slice_lines
    ]
    if not known or any(each.doubtful or not each.slice.has_champion for each in known):
        return []
    worst = min((each.slice for each in known), key=lambda each: each.gain)
    bound = _bound(pool([each.slice for each in known], ""), policy)
    certain = say.ruled_out(bound, policy.non_inferiority_margin, policy.significance)
    return [_Finding(True, f"{say.kept(worst, policy.max_drop)} {certain}")]


def _judge_latency(latency: Latency | None, policy: Policy) -> list[_Finding]:
    if latency is None or not policy.max_latency_factor or latency.lines < TIMED_LINES:
        return []
    if latency.factor <= policy.max_latency_factor:
        return []
    return [_Finding(False, say.slow(latency, policy.max_latency_factor), _SLOW)]

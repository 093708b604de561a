"""What a verdict says, for people who know no statistics. Pure."""

from collections.abc import Sequence

from retraining.measured import Latency, Slice

_KINDS = {"new": "new data", "old": "earlier data", "golden": "golden set"}
NO_GAIN = "That is no gain."
NOT_ENOUGH = "which is not enough"
_MORE_LINES = "More labelled lines in it would tell."


def title(each: Slice) -> str:
    """Name one evaluation set."""
    kind = _KINDS.get(each.kind)
    return f"{each.name} ({kind})" if kind else each.name


def comparison(each: Slice) -> str:
    """Tell what both models read."""
    return (
        f"{title(each)}: {percent(each.champion or 0.0)} to {percent(each.candidate)} of "
        f"{each.lines} lines are read exactly; {each.only_candidate_right} lines got better, "
        f"{each.only_champion_right} got worse."
    )


def candidate_alone(each: Slice) -> str:
    """Tell what the candidate reads where there is no champion."""
    return (
        f"{title(each)}: {percent(each.candidate)} of {each.lines} lines are read exactly; there "
        "is nothing to compare."
    )


def too_few(each: Slice, needed: int) -> str:
    """Tell that a set is too small to be judged alone."""
    return (
        f"{title(each)} has {each.lines} lines, too few to judge by alone ({needed} are needed); "
        "it counts only together with the other sets."
    )


def too_few_new(lines: int, needed: int) -> str:
    """Tell that all new lines together are too few."""
    return (
        f"Only {lines} new lines are held out, too few to judge by: at least {needed} are needed. "
        "Drop more labelled lines."
    )


def small_gain(gain: float, asked: float) -> str:
    """Tell that a gain is too small to matter."""
    return f"That is a gain of {points(gain)}, and at least {points(asked)} are asked for."


def lucky_gain(lines: int, p: float, level: float) -> str:
    """Tell that a gain may be luck."""
    return (
        f"So small a difference on {lines} lines may well be luck (chance alone does this in "
        f"{percent(p)} of cases; less than {percent(level)} is asked for). More held out lines "
        "would tell."
    )


def real_gain(p: float) -> str:
    """Tell that a gain is no luck."""
    return f"Luck does not explain this: chance alone does it in {rarely(p)} of cases."


def real_drop(drop: float, allowed: float, p: float) -> str:
    """Tell that a drop is too large, and no bad luck."""
    return (
        f"That is a drop of {points(drop)}; up to {points(allowed)} are allowed, and bad luck does "
        f"not explain it: chance alone does it in {rarely(p)} of cases."
    )


def unlucky_drop(drop: float, allowed: float, p: float, level: float) -> str:
    """Tell that a drop may be bad luck."""
    return (
        f"That is a drop of {points(drop)}, more than the {points(allowed)} allowed, but it may "
        f"well be bad luck (chance alone does this in {percent(p)} of cases; it counts below "
        f"{percent(level)}). {_MORE_LINES}"
    )


def possible_drop(bound: float, margin: float, level: float) -> str:
    """Tell that a drop above the margin is not ruled out."""
    return (
        f"In truth it may have lost up to {points(bound)} ({_certainty(level)} certain), more than "
        f"the {points(margin)} that must be ruled out."
    )


def ruled_out(bound: float, margin: float, level: float) -> str:
    """Tell how much may have been lost of all that the model knew."""
    certain = f"with {_certainty(level)} certainty"
    if bound < 0:
        return f"Over all of it, any loss can be ruled out {certain}."
    if bound <= margin or not margin:
        return f"Over all of it, a loss of more than {points(bound)} can be ruled out {certain}."
    return (
        f"Over all of it, a loss of up to {points(bound)} cannot be ruled out {certain}: more "
        "golden lines would."
    )


def kept(worst: Slice, allowed: float) -> str:
    """Tell that nothing was lost, and where most of it."""
    change = f"gains {points(worst.gain)}" if worst.gain > 0 else f"loses {points(worst.drop)}"
    if worst.gain == 0:
        change = "stays the same"
    return (
        f"What the model knew before is kept: at worst, {title(worst)} {change} "
        f"({percent(worst.champion or 0.0)} to {percent(worst.candidate)} of {worst.lines} "
        f"lines); up to {points(allowed)} less is allowed."
    )


def floor(what: str, pooled: Slice, asked: float, champion_error: str) -> str:
    """Tell how the candidate does where there is no champion."""
    why = (
        f"There is nothing to compare with ({champion_error.rstrip('. ')})"
        if champion_error
        else "There is no approved model to compare with"
    )
    return (
        f"{why}; the candidate reads {percent(pooled.candidate)} of {pooled.lines} {what} lines "
        f"exactly, and at least {percent(asked)} are asked for."
    )


def slow(latency: Latency, allowed: float) -> str:
    """Tell that the candidate takes too long."""
    return (
        f"The candidate takes {latency.candidate:.1f} ms per line, the approved model "
        f"{latency.champion:.1f} ms: {latency.factor:.1f} times as long, and at most "
        f"{allowed:g} times is allowed."
    )


def headline(new: Slice | None, objections: Sequence[str]) -> str:
    """Sum a verdict up in one line; ``objections`` end a sentence that begins with the gain."""
    if new is None:
        return "Rejected: too few new lines to judge by."
    before = "" if new.champion is None else f" instead of {percent(new.champion)}"
    measured = f"{percent(new.candidate)} of the new lines are read exactly{before}"
    if objections:
        but = "" if objections[0] == NOT_ENOUGH else "but "
        return f"Rejected: {measured}, {but}{', and '.join(objections)}."
    return f"Promoted: {measured}."


def percent(fraction: float) -> str:
    """Write a share."""
    return f"{100 * fraction:.1f} %"


def points(fraction: float) -> str:
    """Write a difference of shares."""
    return f"{100 * fraction:.1f} points"


def _certainty(level: float) -> str:
    return f"{100 * (1 - level):g} %"


def rarely(p: float) -> str:
    """Write a small probability."""
    return f"{100 * p:.1f} %" if p >= 0.001 else "less than 0.1 %"

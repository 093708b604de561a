"""Evaluates IAM policies as AWS does within one account: an explicit Deny, then any Allow.

See "Policy evaluation logic" and "IAM JSON policy elements" in the IAM user guide. Principals are
matched by the caller. Condition operators and variables that no policy here uses are refused, not
ignored: an unknown condition must not look like a met one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any


class UnsupportedPolicyError(ValueError):
    """A policy uses what this evaluator does not know; it would have to be guessed."""


@dataclass(frozen=True)
class Request:
    """One authorisation question; context values are lists, keys in lower case."""

    action: str
    resource: str
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __str__(self) -> str:
        about = ", ".join(f"{key}={'|'.join(value)}" for key, value in self.context.items())
        return f"{self.action} on {self.resource}" + (f" ({about})" if about else "")


@dataclass(frozen=True)
class Statement:
    """One statement of a policy; ``origin`` says where it stands."""

    origin: str
    effect: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, Any]]
    not_actions: tuple[str, ...] = ()
    not_resources: tuple[str, ...] = ()

    def applies(self, request: Request) -> bool:
        """Whether action, resource and all conditions match; raises UnsupportedPolicyError."""
        if self.not_actions:
            is_action = not any(_matches(a, request.action, True) for a in self.not_actions)
        else:
            is_action = any(_matches(a, request.action, True) for a in self.actions)
        if not is_action:
            return False
        if self.not_resources:
            is_resource = not any(_matches(r, request.resource) for r in self.not_resources)
        else:
            is_resource = any(_matches(r, request.resource) for r in self.resources)
        return is_resource and self._conditions_hold(request)

    def _conditions_hold(self, request: Request) -> bool:
        return all(
            _holds(operator, _values(request, key), _listed(wanted))
            for operator, keys in self.conditions.items()
            for key, wanted in keys.items()
        )


@dataclass(frozen=True)
class Decision:
    """Whether a request is allowed, and the statements that decided."""

    allowed: bool
    by: tuple[Statement, ...]


def statements(document: Mapping[str, Any], origin: str) -> list[Statement]:
    """Return the statements of a policy document; ``origin`` names the policy."""
    found = []
    for number, raw in enumerate(_listed(document["Statement"]), 1):
        found.append(
            Statement(
                origin=f"{origin}/{raw.get('Sid', number)}",
                effect=raw["Effect"],
                actions=tuple(_listed(raw.get("Action", []))),
                resources=tuple(_listed(raw.get("Resource", []))),
                conditions=raw.get("Condition", {}),
                not_actions=tuple(_listed(raw.get("NotAction", []))),
                not_resources=tuple(_listed(raw.get("NotResource", []))),
            )
        )
    return found


def decide(policy: Iterable[Statement], request: Request) -> Decision:
    """Return what the statements together say to a request."""
    applying = [statement for statement in policy if statement.applies(request)]
    denying = tuple(each for each in applying if each.effect == "Deny")
    if denying:
        return Decision(False, denying)
    return Decision(bool(applying), tuple(applying))


def _matches(pattern: str, value: str, fold_case: bool = False) -> bool:
    return _pattern(pattern, fold_case).fullmatch(value) is not None


@cache
def _pattern(pattern: str, fold_case: bool) -> re.Pattern[str]:
    if "${" in pattern:
        raise UnsupportedPolicyError(f"policy variables are not evaluated here: {pattern}")
    wild = {"*": ".*", "?": "."}
    text = "".join(wild.get(character) or re.escape(character) for character in pattern)
    return re.compile(text, re.DOTALL | (re.IGNORECASE if fold_case else 0))


def _values(request: Request, key: str) -> tuple[str, ...] | None:
    return request.context.get(key.lower())


def _listed(value: Any) -> list[Any]:  # noqa: ANN401 - one or many of anything
    return list(value) if isinstance(value, list | tuple) else [value]


def _equal(value: str, wanted: Any) -> bool:  # noqa: ANN401 - policies hold numbers and booleans
    return value == str(wanted)


def _same_truth(value: str, wanted: Any) -> bool:  # noqa: ANN401 - policies hold booleans
    return value.lower() == str(wanted).lower()


def _like(value: str, wanted: Any) -> bool:  # noqa: ANN401 - see above
    return _matches(str(wanted), value)


_POSITIVE: dict[str, Callable[[str, Any], bool]] = {
    "StringEquals": _equal,
    "StringLike": _like,
    "ArnEquals": _like,
    "ArnLike": _like,
    "Bool": _same_truth,
}
_NEGATIVE = {
    "StringNotEquals": "StringEquals",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}


def _holds(operator: str, values: Sequence[str] | None, wanted: Sequence[Any]) -> bool:
    if operator == "Null":
        return (values is None) == _same_truth("true", wanted[0])
    quantifier, _, plain = operator.rpartition(":")
    plain, if_exists = plain.removesuffix("IfExists"), plain.endswith("IfExists")
    negated = plain in _NEGATIVE
    test = _POSITIVE.get(_NEGATIVE.get(plain, plain))
    if test is None or quantifier not in ("", "ForAllValues", "ForAnyValue"):
        raise UnsupportedPolicyError(f"the condition operator {operator} is not evaluated here")
    if not values:
        # A missing key fails positive operators and meets negated ones; ForAllValues holds of
        # nothing, ForAnyValue of nothing does not.
        return if_exists or quantifier == "ForAllValues" or (negated and not quantifier)
    results = [any(test(value, each) for each in wanted) != negated for value in values]
    return any(results) if quantifier == "ForAnyValue" else all(results)

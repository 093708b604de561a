"""One line of the table: what was proven, how, with how many checks, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Proof:
    """A claim that was checked; it holds when there are no ``problems``.

    ``notes`` are printed below the table: what was measured, or left out and why.
    """

    area: str
    claim: str
    how: str
    checks: int
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether something was checked and nothing is wrong."""
        return self.checks > 0 and not self.problems


def proof(
    area: str,
    claim: str,
    how: str,
    checks: int,
    problems: Iterable[str] = (),
    notes: Iterable[str] = (),
) -> Proof:
    """Return a proof whose problems are each told once."""
    return Proof(area, claim, how, checks, tuple(dict.fromkeys(problems)), tuple(notes))


def table(proofs: Sequence[Proof]) -> str:
    """Return the proofs as a Markdown table, as it stands in docs/proof.md."""
    rows = [("", "what", "how", "checks")]
    rows += [
        (f"{each.area}", f"{mark(each)} {each.claim}", each.how, f"{each.checks:,}")
        for each in proofs
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    head, *body = [
        f"| {row[0]:<{widths[0]}} | {row[1]:<{widths[1]}} | {row[2]:<{widths[2]}} "
        f"| {row[3]:>{widths[3]}} |"
        for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths[:3]) + f"|{'-' * (widths[3] + 1)}:|"
    return "\n".join([head, rule, *body])


def mark(one: Proof) -> str:
    """Return a word for the eye: whether the proof holds."""
    if one.holds:
        return "✓"
    return "✗" if one.problems else "✗ (nothing was checked)"

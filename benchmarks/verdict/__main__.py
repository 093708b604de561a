"""bench-verdict: how often is a candidate promoted that is truly so much worse?

Draws what two models read in earlier and golden sets, many times over, and asks the rule that the
product asks. On the new data every candidate is clearly better, so that what it lost decides.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.options import positive
from benchmarks.tables import markdown
from retraining.measured import Evaluation, Slice
from retraining.promotion import Policy, judge
from retraining.settings import Settings

_SIZES = (50, 300, 1000)
_SETS = (1, 3, 10)
_DROPS = (0.0, 0.01, 0.02, 0.03, 0.05)
# Of the lines that do not get worse, both models read this share which the other does not.
_CHURN = 0.02
_NEW = Slice("new", "new", 90, 8, 93, 9)


@dataclass(frozen=True)
class Case:
    """So many sets of so many lines, in the first ``worse`` of which the candidate loses."""

    lines: int
    sets: int
    worse: int
    drop: float

    def draw(self, random: np.random.Generator) -> Evaluation:
        """Draw what both models read once."""
        return Evaluation((_NEW, *(self._slice(each, random) for each in range(self.sets))))

    def _slice(self, number: int, random: np.random.Generator) -> Slice:
        lost = _CHURN + (self.drop if number < self.worse else 0.0)
        counts = random.multinomial(self.lines, [lost, _CHURN, 1 - lost - _CHURN])
        only_champion, only_candidate, both = (int(each) for each in counts)
        return Slice(f"golden {number}", "golden", both, only_champion, only_candidate, 0)


def promoted(case: Case, policy: Policy, runs: int, seed: int) -> tuple[float, float]:
    """Return the share of ``runs`` that are promoted: by the rule, and if chance were no excuse."""
    random = np.random.default_rng([seed, case.lines, case.sets, case.worse, int(1e3 * case.drop)])
    drawn = [case.draw(random) for _ in range(runs)]
    within = [all(each.drop <= policy.max_drop + 1e-9 for each in run.slices) for run in drawn]
    return sum(judge(run, policy).promote for run in drawn) / runs, sum(within) / runs


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables for the default thresholds."""
    parser = argparse.ArgumentParser(prog="bench-verdict", description=__doc__)
    parser.add_argument("--runs", type=positive, default=1000, help="per cell (default: 1000)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    policy = default_policy()
    for title, worse_sets in (("one set is worse", 1), ("every set is worse", None)):
        print(f"Promoted, in percent, when {title} by so many points:\n")
        drops = [f"{100 * drop:.0f}" for drop in _DROPS]
        header = ("lines per set", "sets", *drops, f"{drops[0]}, chance no excuse")
        rows = []
        for lines in _SIZES:
            for sets in _SETS:
                cases = [Case(lines, sets, worse_sets or sets, drop) for drop in _DROPS]
                shares = [promoted(case, policy, options.runs, options.seed) for case in cases]
                shown = [*(each for each, _ in shares), shares[0][1]]
                rows.append([f"{lines:,}", str(sets), *(f"{100 * each:.0f}" for each in shown)])
        print(markdown(header, rows), end="\n\n")
    return 0


def default_policy() -> Policy:
    """Return the thresholds of the template."""
    defaults = Settings.model_fields
    return Policy(**{name: defaults[name].default for name in Policy.__dataclass_fields__})


if __name__ == "__main__":
    sys.exit(main())

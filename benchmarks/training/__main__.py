"""bench-training: our training against PaddleOCR's own, which gets ten times our time."""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.domains import COMPARED
from benchmarks.models import PACKAGED, Base, base_model
from benchmarks.options import add_shared, kept_sets, listed, one_of
from benchmarks.places import CACHE
from benchmarks.processes import ProgramError
from benchmarks.results import ResultsError, ResultsFile
from benchmarks.rivals.running import Speed
from benchmarks.rivals.settings import RIVALS, Rival
from benchmarks.training.contenders import Contest, Problem
from benchmarks.training.report import report
from benchmarks.training.runs import OURS, Run
from ocr_retrain.errors import UserError

_NONE = "none"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark: 0 when the table is complete."""
    options = _parse(arguments)
    try:
        results = ResultsFile(options.results, Run)
        Benchmark.prepare(options, results).run(options)
    except (ProgramError, ResultsError, UserError, FileNotFoundError) as error:
        print(f"bench-training: {error}", file=sys.stderr)
        return 1
    print(report(results.all()))
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench-training", description=__doc__)
    add_shared(parser, COMPARED, "200,500,1000", "training.json")
    parser.add_argument(
        "--rivals",
        type=listed(one_of((*RIVALS, _NONE))),
        default="official,best",
        help=f"of {', '.join(RIVALS)}, or none (default: official,best)",
    )
    parser.add_argument(
        "--budget-factor",
        type=float,
        default=10.0,
        help="how many times our wall-clock time the others get (default: 10)",
    )
    return parser.parse_args(arguments)


@dataclass(frozen=True)
class Benchmark:
    """The runs that were asked for; those in the results are not repeated."""

    contest: Contest
    results: ResultsFile[Run]
    ours: Base
    theirs: Base
    speeds: dict[str, Speed]

    @classmethod
    def prepare(cls, options: argparse.Namespace, results: ResultsFile[Run]) -> Benchmark:
        """Package the base models. PaddleOCR's tools know the network of PP-OCRv4 only."""
        contest = Contest.below(CACHE)
        theirs = base_model(PACKAGED)
        ours = theirs if options.base == PACKAGED else base_model(options.base)
        return cls(contest, results, ours, theirs, {})

    def run(self, options: argparse.Namespace) -> None:
        """Do all runs, the small ones first."""
        kept = kept_sets(self.contest.data, options.general_lines)
        rivals = [RIVALS[name] for name in options.rivals if name != _NONE]
        for size, seed, domain in itertools.product(options.sizes, options.seeds, options.domains):
            problem = Problem.of(self.contest.data, domain, size, seed, options.test_lines, kept)
            ours = self._ours(problem, self.ours)
            for rival in rivals:
                reference = ours if self.ours is self.theirs else self._ours(problem, self.theirs)
                self._rival(rival, problem, reference, options.budget_factor)

    def _ours(self, problem: Problem, base: Base) -> Run:
        key = problem.key(OURS, base.name)
        done = self.results.find(key)
        if done is None:
            _tell(f"{key} ...")
            done = self.results.add(key, self.contest.train_ours(base, problem, OURS, {}))
        return _told(key, done)

    def _rival(self, rival: Rival, problem: Problem, ours: Run, factor: float) -> None:
        key = f"{problem.key(rival.name, self.theirs.name)} x{factor:g}"
        done = self.results.find(key)
        if done is None:
            budget = factor * ours.seconds
            _tell(f"{key}: {rival.title}, {budget:.0f} seconds ...")
            speed = self.speeds.get(rival.name)
            if speed is None:
                speed = self.contest.speed_of(rival, self.theirs, problem)
                self.speeds[rival.name] = speed
                _tell(
                    f"  {speed.images_per_second:.2f} images per second after "
                    f"{speed.startup:.0f} seconds"
                )
            run = self.contest.train_rival(
                rival, self.theirs, problem, ours.generic_lines, speed, budget
            )
            done = self.results.add(key, run)
        _told(key, done)


def _told(key: str, run: Run) -> Run:
    after = run.best
    general = f", general {after.general:.1%}" if after.general is not None else ""
    _tell(f"{key}: new {run.before.new:.1%} -> {after.new:.1%}{general} in {run.seconds:.0f} s")
    return run


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

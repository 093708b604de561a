"""bench-ablation: our training with one mechanism at a time switched off or on."""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import defaultdict
from collections.abc import Sequence

from benchmarks.ablation.report import report
from benchmarks.ablation.variants import VARIANTS
from benchmarks.models import base_model
from benchmarks.options import add_shared, kept_sets, listed, one_of
from benchmarks.places import CACHE
from benchmarks.processes import ProgramError
from benchmarks.results import ResultsError, ResultsFile
from benchmarks.training.contenders import Contest, Problem, ours_name
from benchmarks.training.runs import Run
from ocr_retrain.errors import UserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark: 0 when every variant ran."""
    options = _parse(arguments)
    try:
        results = ResultsFile(options.results, Run)
        runs, failures = _run(options, results)
    except (ResultsError, UserError) as error:
        print(f"bench-ablation: {error}", file=sys.stderr)
        return 1
    print(report(runs, failures))
    return 1 if failures else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench-ablation", description=__doc__)
    add_shared(parser, ("seven-segment", "handwriting"), "300", "ablation.json")
    parser.add_argument(
        "--variants",
        type=listed(one_of(VARIANTS)),
        default=list(VARIANTS),
        help=f"of {', '.join(VARIANTS)} (default: all)",
    )
    return parser.parse_args(arguments)


def _run(
    options: argparse.Namespace, results: ResultsFile[Run]
) -> tuple[dict[str, list[Run]], dict[str, str]]:
    contest, base = Contest.below(CACHE), base_model(options.base)
    kept = kept_sets(contest.data, options.general_lines)
    runs: dict[str, list[Run]] = defaultdict(list)
    failures: dict[str, str] = {}
    asked = itertools.product(options.variants, options.sizes, options.seeds, options.domains)
    for variant, size, seed, domain in asked:
        problem = Problem.of(contest.data, domain, size, seed, options.test_lines, kept)
        key = problem.key(ours_name(VARIANTS[variant]), base.name)
        done = results.find(key)
        if done is None and variant not in failures:
            print(f"{variant}: {key} ...", file=sys.stderr, flush=True)
            try:
                run = contest.train_ours(base, problem, variant, VARIANTS[variant])
                done = results.add(key, run)
            except ProgramError as error:
                failures[variant] = str(error)
                print(f"{variant}: {error}", file=sys.stderr, flush=True)
        if done is not None:
            runs[variant].append(done)
    return runs, failures


if __name__ == "__main__":
    sys.exit(main())

"""Looks for the settings that suit PaddleOCR best: python -m benchmarks.training.search --help."""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator, Sequence

from benchmarks import tables
from benchmarks.domains import DOMAINS
from benchmarks.models import PACKAGED, base_model
from benchmarks.options import kept_sets, listed, one_of, positive
from benchmarks.places import CACHE
from benchmarks.rivals.settings import BEST, Best, Rival, best_with
from benchmarks.training.contenders import Contest, Problem
from benchmarks.training.runs import Run

_LINES = 200
# As many as our default recipe mixes in: 3 to 7 new ones.
_GENERAL = 86
_JUDGED = 150
# Those lines of the domain are not the ones that the comparison is judged by.
_SET_APART = 300


def main(arguments: Sequence[str] | None = None) -> int:
    """Train with every combination for the same time and print how they read."""
    options = _parse(arguments)
    contest, base = Contest.below(CACHE), base_model(PACKAGED)
    kept = kept_sets(contest.data, _JUDGED)
    rows = []
    for domain in options.domains:
        lines = contest.data.train(domain, _LINES, 1)
        test = contest.data.test(domain, _SET_APART + _JUDGED)[_SET_APART:]
        problem = Problem(domain, _LINES, 1, lines, test, kept)
        for rival in _combinations(options):
            speed = contest.speed_of(rival, base, problem)
            run = contest.train_rival(rival, base, problem, _GENERAL, speed, options.seconds)
            rows.append(_row(domain, run))
            print(" ".join(rows[-1]), file=sys.stderr, flush=True)
    print(tables.markdown(("domain", "settings", "new", "general", "chinese", "images/s"), rows))
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--domains", type=listed(one_of(DOMAINS)), default="handwriting,cyrillic", help="names"
    )
    parser.add_argument("--seconds", type=float, default=400.0, help="for each (default: 400)")
    parser.add_argument("--learning-rates", type=listed(float), default="3e-4,1e-3")
    parser.add_argument("--backbone-rates", type=listed(float), default="1,0.3")
    parser.add_argument("--batches", type=listed(positive), default=str(BEST.batch))
    parser.add_argument("--augment", type=listed(one_of(("yes", "no"))), default="no")
    return parser.parse_args(arguments)


def _combinations(options: argparse.Namespace) -> Iterator[Rival]:
    asked = (options.learning_rates, options.backbone_rates, options.batches, options.augment)
    for rate, backbone, batch, augment in itertools.product(*asked):
        settings = Best(
            learning_rate=rate,
            grown_learning_rate=rate,
            backbone_rate=backbone,
            batch=batch,
            augment=augment == "yes",
        )
        yield best_with(
            settings, f"rate={rate:g} backbone={backbone:g} batch={batch} augment={augment}"
        )


def _row(domain: str, run: Run) -> list[str]:
    scores = (run.best.new, run.best.general, run.best.chinese)
    speed = tables.number([run.images_per_second], "{:.1f}")
    return [domain, run.contender, *(tables.percent([score]) for score in scores), speed]


if __name__ == "__main__":
    sys.exit(main())

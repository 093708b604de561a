"""bench-rounds: datasets of different domains, one after the other: what is forgotten?"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.datasets import Data, LabelledLine
from benchmarks.domains import DOMAINS
from benchmarks.models import PACKAGED
from benchmarks.options import BASES, add_test_lines, kept_sets, listed, one_of, positive
from benchmarks.places import CACHE, new_workspace
from benchmarks.processes import ProgramError
from benchmarks.reading import Reader
from benchmarks.rounds.judging import Round, falls, table
from benchmarks.rounds.loop import Loop, running_loop
from ocr_retrain.errors import UserError

_ORDER = ("seven-segment", "handwriting", "lettering", "cyrillic", "dot-matrix")
_GOLDEN = 300


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark: 0 when nothing fell, 1 when a slice did, 2 when it could not be run."""
    options = _parse(arguments)
    workspace = new_workspace()
    try:
        parameters = {"Hyperparameters": options.hyperparameters}
        with running_loop(workspace, parameters) as loop:
            rounds = _run(options, loop)
    except (ProgramError, UserError) as error:
        print(f"bench-rounds: {error} (logs: {workspace})", file=sys.stderr)
        return 2
    shutil.rmtree(workspace)
    document = [done.model_dump() for done in rounds]
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    fallen = falls(rounds)
    print("\n".join([table(rounds), "", *(fallen or ["No slice fell more than one point."])]))
    return 1 if fallen else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench-rounds", description=__doc__)
    parser.add_argument(
        "--domains",
        type=listed(one_of(DOMAINS)),
        default=list(_ORDER),
        help=f"in their order (default: {','.join(_ORDER)})",
    )
    parser.add_argument(
        "--lines", type=positive, default=500, help="lines to train on, per dataset (default: 500)"
    )
    add_test_lines(parser)
    parser.add_argument("--base", type=one_of(BASES), default=PACKAGED, help=PACKAGED)
    parser.add_argument("--seed", type=positive, default=1, help="draws other lines (default: 1)")
    parser.add_argument(
        "--hyperparameters", default="{}", help="of every training, as JSON (default: {})"
    )
    parser.add_argument(
        "--results", type=Path, default=CACHE / "rounds.json", help="JSON file to write"
    )
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace, loop: Loop) -> list[Round]:
    data = Data.below(CACHE)
    reader = Reader(data.directory, CACHE)
    holdouts = {name: data.test(name, options.test_lines) for name in options.domains}
    # The loop judges by its own golden set; here other lines tell what was kept.
    kept = kept_sets(data, _GOLDEN + options.general_lines)
    golden, kept["general"] = kept["general"][:_GOLDEN], kept["general"][_GOLDEN:]
    slices: dict[str, Sequence[LabelledLine]] = {**holdouts, **kept}
    started = time.monotonic()
    loop.start_from(options.base, golden, data.directory)
    rounds = [_round("", "Approved", loop, reader, slices, started)]
    for name in options.domains:
        started = time.monotonic()
        parts = {
            "val.txt": holdouts[name],
            "train.txt": data.train(name, options.lines, options.seed),
        }
        result = loop.learn(name, parts, data.directory).result
        print(f"{name}: {result.outcome}. {result.reason}", file=sys.stderr, flush=True)
        rounds.append(_round(name, result.outcome, loop, reader, slices, started))
    return rounds


def _round(
    dataset: str,
    outcome: str,
    loop: Loop,
    reader: Reader,
    slices: dict[str, Sequence[LabelledLine]],
    started: float,
) -> Round:
    seconds = time.monotonic() - started
    version, model = loop.approved()
    scores = reader.accuracies(model, slices)
    return Round(dataset=dataset, outcome=outcome, version=version, seconds=seconds, scores=scores)


if __name__ == "__main__":
    sys.exit(main())

"""bench-convolutions: a training step with compiled convolutions and with Paddle's own."""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
from collections.abc import Sequence

from benchmarks import processes, tables
from benchmarks.models import PACKAGED, base_model
from benchmarks.options import one_of, positive
from benchmarks.places import REPOSITORY, SCRIPTS, new_workspace, training_environment
from benchmarks.processes import ProgramError
from ocr_retrain.errors import UserError

# Of these Paddle trains every weight; PP-OCRv6's backbone runs elsewhere.
_BASES = (PACKAGED, "pp-ocrv3-mobile", "pp-ocrv5-mobile")
_NAMES = {"paddle": "Paddle's", "compiled": "compiled"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    options = _parse(arguments)
    workspace = new_workspace()
    try:
        base = base_model(options.base)
        given = (base.directory, options.lines, options.steps, workspace / "seconds.json")
        processes.run(
            [REPOSITORY.training_python, SCRIPTS / "training_steps.py", *map(str, given)],
            workspace / "log.txt",
            training_environment(),
        ).check()
    except (ProgramError, UserError) as error:
        print(f"bench-convolutions: {error}", file=sys.stderr)
        return 1
    seconds = json.loads((workspace / "seconds.json").read_text(encoding="utf-8"))
    shutil.rmtree(workspace)
    print(report(seconds, options.lines))
    return 0


def report(seconds: dict[str, list[float]], lines: int) -> str:
    """Return the table and the ratio, of the medians."""
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    rows = [
        [_NAMES[name], f"{1000 * medians[name]:.0f}", f"{lines / medians[name]:.1f}"]
        for name in _NAMES
    ]
    ratio = medians["paddle"] / medians["compiled"]
    table = tables.markdown(("convolutions", "ms per step", "lines/s"), rows)
    return f"{table}\n\nCompiled convolutions: {ratio:.1f} times as many lines."


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench-convolutions", description=__doc__)
    parser.add_argument("--base", type=one_of(_BASES), default=PACKAGED, help=PACKAGED)
    parser.add_argument("--lines", type=positive, default=16, help="per step (default: 16)")
    parser.add_argument("--steps", type=positive, default=5, help="of each side (default: 5)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())

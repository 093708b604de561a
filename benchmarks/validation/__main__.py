"""bench-validation: a drop of a million lines within one function's 15 minutes and 1,024 MB?

Every step runs in a process of its own, against a listing that is made as S3 would write it. More
images than one function reads are handed out; here one shard of them is read for real and what was
found in the others is made up, since reading a million pictures takes many functions.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.options import listed, positive
from benchmarks.places import CACHE
from benchmarks.tables import markdown

_SIZES = "10000,100000,1000000"
_MOST_SECONDS, _MOST_MEGABYTES = 900, 1024
# What each step is called, and whether it is one of the functions that are measured.
_STEPS = {
    "validate": "validate_dataset",
    "shard": "check_images, one shard",
    "fill": "",
    "finish": "finish_validation",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark: 0 when every function kept its limits, 1 when one did not."""
    parser = argparse.ArgumentParser(prog="bench-validation", description=__doc__)
    parser.add_argument(
        "--sizes", type=listed(positive), default=_SIZES, help=f"lines (default: {_SIZES})"
    )
    parser.add_argument("--results", type=Path, default=CACHE / "validation.json")
    options = parser.parse_args(arguments)
    measured = [row for lines in options.sizes for row in _measure(lines)]
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    header = ("lines and images", "function", "seconds", "of the CPU", "peak MB")
    fields = ("lines", "function", "seconds", "cpu_seconds", "peak_mb")
    print(
        markdown(
            header,
            [
                [f"{row[each]:,}" if each == "lines" else str(row[each]) for each in fields]
                for row in measured
            ],
        )
    )
    over = [
        row
        for row in measured
        if row["seconds"] > _MOST_SECONDS or row["peak_mb"] > _MOST_MEGABYTES
    ]
    limits = f"{_MOST_SECONDS} seconds and {_MOST_MEGABYTES:,} MB"
    print(f"\n{len(over)} of {len(measured)} went beyond {limits}.")
    return 1 if over else 0


def _measure(lines: int) -> list[dict[str, Any]]:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for step, function in _STEPS.items():
            command = [
                sys.executable,
                "-m",
                "benchmarks.validation.steps",
                step,
                str(lines),
                folder,
            ]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found = json.loads(done.stdout)
            answer = found.pop("answer")
            if function:
                rows.append({"lines": lines, "function": function, **found})
                print(f"{lines:,} lines: {function}: {found}", file=sys.stderr)
            if step == "validate" and not answer["image_shards"]:
                return rows
    return rows


if __name__ == "__main__":
    sys.exit(main())

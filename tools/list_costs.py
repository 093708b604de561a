"""Print the tables of docs/cost.md: what a stack with the default parameters costs.

python tools/list_costs.py [--device cpu]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from localcloud.sam_template import read_template
from ocr_retrain.installation.costs import Cost, build_cost, monthly_costs, run_costs, total
from ocr_retrain.installation.parameters import TEMPLATE, choose_parameters
from ocr_retrain.repository import Repository

ROOT = Path(__file__).resolve().parents[1]
TRAINING_MINUTES, EVALUATION_MINUTES, BUILD_MINUTES = 30, 10, 15


def tables(device: str = "gpu") -> str:
    """Return the tables of a month, and of a run and a build, for a kind of images."""
    parameters = choose_parameters(Repository(ROOT), {"Device": device})
    month = monthly_costs(read_template(ROOT / TEMPLATE), parameters.application)
    run = run_costs(parameters.application, TRAINING_MINUTES, EVALUATION_MINUTES)
    build = build_cost(parameters.images["BuildComputeType"], BUILD_MINUTES)
    return "\n".join(
        (
            "| a month without runs | how it is computed | USD |",
            *_rows(month),
            "",
            "| a run | how it is computed | USD |",
            *_rows(run),
            f"| {build.name} | {build.formula} | {build.dollars:.2f} |",
        )
    )


def _rows(lines: Sequence[Cost]) -> list[str]:
    together = total(lines)
    return [
        "|---|---|---:|",
        *(f"| {line.name} | {line.formula} | {line.dollars:.2f} |" for line in lines),
        f"| **together** | | **{together:.2f}** |",
    ]


if __name__ == "__main__":
    print(tables("cpu" if "cpu" in sys.argv else "gpu"))

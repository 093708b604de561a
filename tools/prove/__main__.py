"""``python -m tools.prove``: prints what is proven without an AWS account, and what is not."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from tools.prove import (
    artefacts,
    auditors,
    deliveries,
    limits,
    machine_runs,
    machine_texts,
    operators,
    permissions,
    recorded_run,
    recordings,
    references,
    sources,
)
from tools.prove.calls import UnknownCallError
from tools.prove.proof import Proof, proof, table
from tools.prove.watched_tests import TestsFailedError

NOT_PROVEN = "## What cannot be proven here"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and every problem; return 1 when a proof does not hold."""
    given = _options(arguments)
    started = time.monotonic()
    proofs = static_proofs()
    if not given.static:
        proofs += auditors.proofs() + run_proofs(keep=given.keep_recording)
    proofs.sort(key=lambda each: AREAS.index(each.area))
    print(table(proofs))
    if given.notes:
        print("\n" + "\n".join(note for each in proofs for note in each.notes))
    if not given.static:
        print(f"\n{not_proven()}")
    problems = [f"✗ {each.area}: {each.claim}: {one}" for each in proofs for one in each.problems]
    if problems:
        print("\n" + "\n".join(problems), file=sys.stderr)
    checks, took = sum(each.checks for each in proofs), time.monotonic() - started
    print(f"\n{checks:,} checks, {len(problems)} problems, {took:.0f} s")
    return 0 if all(each.holds for each in proofs) else 1


AREAS = ("Template", "State machines", "IAM", "Limits", "Functions")


def static_proofs() -> list[Proof]:
    """Return what templates, definitions and code prove by themselves, in seconds."""
    return [
        *references.proofs(),
        *machine_texts.proofs(),
        *permissions.static_proofs(),
        *deliveries.proofs(),
        *limits.static_proofs(),
    ]


def run_proofs(*, keep: bool) -> list[Proof]:
    """Return what a recorded run proves; it is made first, unless the last one is kept."""
    try:
        if not keep:
            recorded_run.make()
        recorded = recordings.read(recorded_run.FOLDER)
        played = machine_runs.play()
    except (TestsFailedError, FileNotFoundError) as error:
        return [proof("IAM", "the runs to record pass", "tests", 1, [str(error)])]
    try:
        usage = permissions.recorded(recorded)
        operated = operators.proofs(recorded)
    except UnknownCallError as error:
        return [proof("IAM", "every recorded call is known", "calls.py", 1, [str(error)])]
    return [
        *permissions.proofs(usage),
        *operated,
        *machine_runs.proofs(recorded, played),
        *limits.recorded_proofs(recorded),
        *artefacts.proofs(recorded),
    ]


def not_proven() -> str:
    """Return the list of docs/proof.md that says what needs an account."""
    text = (sources.ROOT / "docs" / "proof.md").read_text(encoding="utf-8")
    _, _, after = text.partition(f"{NOT_PROVEN}\n")
    return f"{NOT_PROVEN.removeprefix('## ')}:\n{after.partition('## ')[0].rstrip()}"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.prove", description=__doc__)
    parser.add_argument("--static", action="store_true", help="only what takes seconds")
    parser.add_argument(
        "--keep-recording",
        action="store_true",
        help="use the run that was recorded last instead of making one; proves nothing of changes",
    )
    parser.add_argument("--notes", action="store_true", help="print what was measured, too")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())

"""Counts what a workspace holds: what every label line came to, and why."""

import json
from collections import Counter
from collections.abc import Iterator

from retraining.problems import Problem
from retraining.validation_report import (
    INCOMPLETE,
    MOST_EXAMPLES,
    MOST_MISSING_NAMED,
    DatasetReport,
    ProblemSummary,
)
from retraining.workspace import HOLDOUT, TRAIN, UNUSED, Workspace

_LONGEST_EXAMPLE = 700


def dataset_reports(workspace: Workspace) -> list[DatasetReport]:
    """Count the lines of every dataset by what came of them."""
    return [_dataset_report(workspace, number, name) for number, name in workspace.datasets()]


def _dataset_report(workspace: Workspace, dataset: int, name: str) -> DatasetReport:
    db = workspace.db
    unused = Counter(
        dict(
            db.execute(
                "SELECT code, COUNT(*) FROM problems WHERE dataset = ? AND of_line GROUP BY code",
                (dataset,),
            )
        )
    )
    sides = dict(
        db.execute("SELECT side, COUNT(*) FROM lines WHERE dataset = ? GROUP BY side", (dataset,))
    )
    named = workspace.count(
        "SELECT COUNT(*) FROM problems WHERE dataset = ? AND line IS NOT NULL", dataset
    )
    lines = sum(sides.values()) - named + unused.total()
    # Lines without a problem of their own, set aside together with their dataset.
    if sides.get(UNUSED, 0) > named:
        unused[INCOMPLETE] = sides[UNUSED] - named
    rule, set_aside = db.execute(
        "SELECT rule, set_aside FROM datasets WHERE id = ?", (dataset,)
    ).fetchone()
    files = db.execute("SELECT relative FROM label_files WHERE dataset = ?", (dataset,))
    return DatasetReport(
        name=name,
        label_files=[each for (each,) in files],
        label_lines=lines,
        missing=workspace.count("SELECT COUNT(*) FROM missing WHERE dataset = ?", dataset),
        train_lines=sides.get(TRAIN, 0),
        holdout_lines=sides.get(HOLDOUT, 0),
        unused=dict(unused.most_common()),
        holdout_rule=rule,
        set_aside=set_aside,
    )


def problem_summaries(workspace: Workspace) -> list[ProblemSummary]:
    """Count problems by code, most frequent first, with a few examples each."""
    counts = workspace.db.execute(
        "SELECT code, COUNT(*) FROM problems GROUP BY code ORDER BY COUNT(*) DESC, code"
    ).fetchall()
    return [
        {"code": code, "count": count, "first": _first(workspace, code)} for code, count in counts
    ]


def _first(workspace: Workspace, code: str) -> list[str]:
    found = workspace.db.execute(
        "SELECT code, place, detail FROM problems WHERE code = ? ORDER BY id LIMIT ?",
        (code, MOST_EXAMPLES),
    )
    return [str(Problem(*each))[:_LONGEST_EXAMPLE] for each in found]


def first_missing(workspace: Workspace) -> list[str]:
    """Name the first images that are not there."""
    found = workspace.db.execute(
        "SELECT key FROM missing ORDER BY dataset, key LIMIT ?", (MOST_MISSING_NAMED,)
    )
    return [key for (key,) in found]


def missing_rows(workspace: Workspace) -> Iterator[str]:
    """Write every missing image, one JSON object per line."""
    for dataset, key in workspace.db.execute(
        "SELECT datasets.name, key FROM missing JOIN datasets ON datasets.id = missing.dataset"
        " ORDER BY missing.dataset, key"
    ):
        yield _row({"dataset": dataset, "key": key})


def problem_rows(workspace: Workspace) -> Iterator[str]:
    """Write every problem, one JSON object per line, in the order they were found."""
    for dataset, code, where, detail in workspace.db.execute(
        "SELECT datasets.name, code, place, detail FROM problems"
        " JOIN datasets ON datasets.id = problems.dataset ORDER BY problems.id"
    ):
        yield _row({"code": code, "dataset": dataset, "where": where, "detail": detail})


def normalised(workspace: Workspace) -> dict[str, int]:
    """Count per rule how many texts of readable images it changed, most first."""
    changes: Counter[str] = Counter()
    for rules, count in workspace.db.execute(
        "SELECT changed_by, COUNT(*) FROM lines JOIN images ON images.object = lines.object"
        " WHERE changed_by <> '' AND images.problem = '' GROUP BY changed_by"
    ):
        changes.update(dict.fromkeys(rules.split(","), count))
    return dict(changes.most_common())


def _row(value: dict[str, str]) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"

"""The error rates of docs/evaluation.md: what the rule promises holds for what is drawn."""

from pathlib import Path

import pytest

from benchmarks.verdict.__main__ import Case, default_policy, main, promoted

RUNS = 200


@pytest.mark.parametrize("sets", [1, 10])
@pytest.mark.parametrize("lines", [50, 300, 1000])
def test_an_equal_candidate_is_promoted_nearly_always(lines: int, sets: int) -> None:
    share, _ = promoted(Case(lines, sets, sets, 0.0), default_policy(), RUNS, seed=2)
    assert share >= 0.88


@pytest.mark.parametrize(("lines", "sets"), [(1000, 1), (300, 10)])
def test_a_candidate_that_is_much_worse_everywhere_is_never_promoted(lines: int, sets: int) -> None:
    share, _ = promoted(Case(lines, sets, sets, 0.05), default_policy(), RUNS, seed=2)
    assert share <= 0.02


def test_the_point_estimate_alone_would_reject_most_equal_candidates() -> None:
    share, unexcused = promoted(Case(300, 10, 10, 0.0), default_policy(), RUNS, seed=2)
    assert unexcused < 0.4 < share


def test_the_documented_table_has_the_columns_that_are_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--runs", "1"]) == 0
    documented = (Path(__file__).parents[3] / "docs/evaluation.md").read_text(encoding="utf-8")
    printed = headers(capsys.readouterr().out)
    assert printed == headers(documented)
    assert len(printed) == 2


def headers(text: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.split("|")]
        for line in text.splitlines()
        if line.startswith("| lines per set")
    ]

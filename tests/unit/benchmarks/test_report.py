from collections.abc import Callable

import pytest

from benchmarks import tables
from benchmarks.ablation.report import report as ablation_report
from benchmarks.training.report import report
from benchmarks.training.runs import Run, seconds_to_nearly_best

MakeRun = Callable[..., Run]


def cells(text: str, start: str) -> list[str]:
    (row,) = (line for line in text.split("\n") if line.startswith(start))
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_a_table_is_aligned_markdown() -> None:
    assert tables.markdown(("a", "bbb"), [("10", "2")]).split("\n") == [
        "| a  | bbb |",
        "|----|-----|",
        "| 10 | 2   |",
    ]


@pytest.mark.parametrize(
    ("values", "text"),
    [([], "–"), ([None], "–"), ([0.912], "91.2"), ([0.9, 0.93, 0.93], "92.0 ± 2.0")],
)
def test_fractions_are_told_in_percent_with_their_spread(
    values: list[float | None], text: str
) -> None:
    assert tables.percent(values) == text


def test_the_time_counts_until_nine_tenths_of_the_best_of_all(make_run: MakeRun) -> None:
    ours = make_run("ours", {40.0: 0.8})
    slow = make_run("best", {100.0: 0.5, 200.0: 0.75, 300.0: 0.79})
    other_task = make_run("best", {10.0: 1.0}, seed=2)
    runs = [ours, slow, other_task]

    assert seconds_to_nearly_best(ours, runs) == 40.0
    assert seconds_to_nearly_best(slow, runs) == 200.0


def test_a_run_that_made_no_model_counts_as_what_it_started_from(make_run: MakeRun) -> None:
    run = make_run("official", {})

    assert run.best == run.before
    assert seconds_to_nearly_best(run, [run, make_run("ours", {40.0: 0.8})]) is None


def test_the_best_of_equally_good_models_is_the_one_that_kept_most(make_run: MakeRun) -> None:
    early, late = make_run("best", {1.0: 0.5, 2.0: 0.5}).points
    forgot = early.model_copy(update={"scores": early.scores.model_copy(update={"general": 0.1})})

    assert make_run("best", {}, points=(forgot, late)).best == late.scores


def test_the_report_compares_others_with_ours_on_the_same_lines(make_run: MakeRun) -> None:
    runs = [
        make_run("ours", {40.0: 0.9}, seed=1),
        make_run("ours", {60.0: 0.8}, seed=2),
        make_run("best", {400.0: 0.7}, seed=1),
        make_run("best", {600.0: 0.7}, seed=2),
    ]

    text = report(runs)

    ours = cells(text, "| cyrillic | 200   | ours (pp-ocrv4-mobile)")
    assert ours[3:5] == ["10.0 ± 0.0", "85.0 ± 5.0"]
    assert ours[10:12] == ["50 ± 10", "50 ± 10"]
    best = cells(text, "| cyrillic | 200   | best                  ")
    assert best[10:12] == ["–", "500 ± 100 of 400 ± 0"]
    compared = cells(text, "| cyrillic | 200   | best      |")
    assert compared[3:] == ["+15.0 ± 5.0", "+0.0 ± 0.0", "+0.0 ± 0.0", ">10.0x", "25.0x", "1.0x"]


def test_the_report_says_when_results_are_of_several_versions(make_run: MakeRun) -> None:
    runs = [make_run("ours", {40.0: 0.9}, seed=seed, made_by=f"v{seed}") for seed in (1, 2)]

    assert "2 versions of the trainer (v1, v2)" in report(runs)


def test_the_ablation_has_a_row_per_variant_and_names_the_ones_that_failed(
    make_run: MakeRun,
) -> None:
    runs = {"default": [make_run("default", {40.0: 0.9})], "no blend": []}

    text = ablation_report(runs, {"no blend": "Unknown hyperparameter"})

    assert cells(text, "| cyrillic | (before)")[2:5] == ["10.0", "90.0", "80.0"]
    assert cells(text, "| cyrillic | default ")[2] == "90.0"
    assert text.endswith("no blend could not be run: Unknown hyperparameter")

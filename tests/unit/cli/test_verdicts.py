"""The command line reads what the judge writes, whatever else that tells."""

import json

from rich.console import Console

from ocr_retrain.outcome_report import verdict_table
from ocr_retrain.verdicts import Verdict
from retraining.measured import Evaluation, Slice
from retraining.promotion import Policy, judge

POLICY = Policy(min_gain=0.01, max_drop=0.01, min_slice_lines=20, significance=0.05)
NEW = Slice("handwriting", "new", 90, 8, 93, 9)
GOLDEN = Slice("general", "golden", 280, 15, 0, 5)
ALONE = Slice("first", "new", 0, 0, 80, 20, has_champion=False)


def read(evaluation: Evaluation) -> Verdict:
    return Verdict.model_validate_json(json.dumps(judge(evaluation, POLICY).as_json()))


def shown(verdict: Verdict) -> str:
    console = Console(width=100, no_color=True)
    with console.capture() as captured:
        console.print(verdict_table(verdict.slices))
    return captured.get()


def test_a_verdict_of_the_judge_is_shown() -> None:
    verdict = read(Evaluation((NEW, GOLDEN)))

    assert not verdict.promote
    assert len(verdict.reasons) == 2
    table = shown(verdict)
    assert "91.5 %" in table
    assert "+42.5" in table
    assert "-5.0" in table
    assert table.count("✗") == 1


def test_a_verdict_without_a_champion_is_shown() -> None:
    verdict = read(Evaluation((ALONE,), "The champion model cannot be loaded: it is damaged."))

    assert verdict.promote
    assert "80.0 %" in shown(verdict)

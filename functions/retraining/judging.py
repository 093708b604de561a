"""Judges a run's candidate and keeps the verdict."""

from typing import TypedDict

from retraining import s3_layout
from retraining.evaluation import slices_of
from retraining.promotion import Rule, judge
from retraining.settings import Settings
from retraining.storage import Bucket


class Judged(TypedDict):
    """What the state machine is told; the whole verdict lies at ``verdict``."""

    promote: bool
    headline: str
    reasons: list[str]
    verdict: str


def judge_candidate(run_id: str, bucket: Bucket, settings: Settings) -> Judged:
    """Apply the promotion rule to a run's evaluation and write verdict.json.

    Raises EvaluationError when the evaluation cannot be judged, NoSuchObjectError without one.
    """
    rule = Rule(
        min_gain=settings.min_gain,
        max_drop=settings.max_drop,
        min_slice_lines=settings.min_slice_lines,
        significance=settings.significance,
    )
    slices = slices_of(bucket.read_json(s3_layout.evaluation(run_id)), run_id)
    verdict = judge(slices, rule)
    return {
        "promote": verdict.promote,
        "headline": verdict.headline,
        "reasons": list(verdict.reasons),
        "verdict": bucket.write_json(s3_layout.verdict(run_id), verdict.as_json()),
    }

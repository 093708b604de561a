"""Judges a run's candidate and keeps the verdict."""

from typing import TypedDict

from retraining import s3_layout
from retraining.evaluation import no_evaluation, read_evaluation
from retraining.promotion import Policy, judge
from retraining.settings import Settings
from retraining.storage import Bucket, NoSuchObjectError


class Judged(TypedDict):
    """What the state machine is told; the whole verdict lies at ``verdict``."""

    promote: bool
    headline: str
    reasons: list[str]
    verdict: str


def judge_candidate(run_id: str, bucket: Bucket, settings: Settings) -> Judged:
    """Apply the promotion rule to a run's evaluation and write verdict.json.

    Raises EvaluationError when there is no evaluation, or one that cannot be judged.
    """
    policy = Policy(
        min_gain=settings.min_gain,
        max_drop=settings.max_drop,
        min_slice_lines=settings.min_slice_lines,
        significance=settings.significance,
        absolute_floor=settings.absolute_floor,
        max_latency_factor=settings.max_latency_factor,
        non_inferiority_margin=settings.non_inferiority_margin,
    )
    try:
        content = bucket.read(s3_layout.evaluation(run_id)).body
    except NoSuchObjectError as error:
        raise no_evaluation(run_id) from error
    verdict = judge(read_evaluation(content, run_id), policy)
    return {
        "promote": verdict.promote,
        "headline": verdict.headline,
        "reasons": list(verdict.reasons),
        "verdict": bucket.write_json(s3_layout.verdict(run_id), verdict.as_json()),
    }

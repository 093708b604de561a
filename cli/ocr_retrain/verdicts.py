"""The verdict of a run, slice by slice, as judge_candidate wrote it to S3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from ocr_retrain.errors import UserError
from ocr_retrain.s3_uris import read_object

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class SliceVerdict(BaseModel):
    """One slice: accuracies are exact-match fractions 0..1; without a champion there is none."""

    name: str
    kind: str
    lines: int
    champion_exact_match: float | None = None
    candidate_exact_match: float
    difference: float | None = None
    p_value: float | None = None
    passed: bool
    sentence: str = ""


class Verdict(BaseModel):
    """The whole verdict."""

    promote: bool
    headline: str
    reasons: list[str] = []
    slices: list[SliceVerdict] = []


def read_verdict(s3: S3Client, uri: str) -> Verdict:
    """Return the verdict at ``uri``; raises UserError when it is missing or unreadable."""
    try:
        return Verdict.model_validate_json(read_object(s3, uri))
    except ValidationError as error:
        raise UserError(f"{uri} is not a verdict: {error.errors()[0]['msg']}.") from error

"""What validation found in a dataset, as it wrote it to S3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from ocr_retrain.errors import UserError
from ocr_retrain.s3_uris import read_object
from retraining import s3_layout

if TYPE_CHECKING:
    from ocr_retrain.connection import Cloud


class DatasetFindings(BaseModel):
    """One dataset: what its label lines came to, ``unused_lines`` by what keeps them out."""

    name: str
    label_lines: int = 0
    train_lines: int = 0
    holdout_lines: int = 0
    missing_images: int = 0
    unused_lines: dict[str, int] = {}
    holdout_rule: str = ""
    set_aside: str = ""


class ProblemSummary(BaseModel):
    """One kind of problem, with its first examples."""

    code: str
    count: int
    first: list[str] = []


class ValidationReport(BaseModel):
    """The report of a run, with all its datasets."""

    run_id: str
    datasets: list[DatasetFindings] = []
    missing: list[str] = []
    missing_uri: str = ""
    problems: list[ProblemSummary] = []
    problems_uri: str = ""
    notes: list[str] = []

    def of(self, dataset: str) -> DatasetFindings | None:
        """Return what was found in one dataset."""
        return next((each for each in self.datasets if each.name == dataset), None)


def read_validation_report(cloud: Cloud, run_id: str) -> ValidationReport | None:
    """Return the report of a run; None when there is none (yet) or it cannot be read."""
    uri = f"s3://{cloud.stack.bucket}/{s3_layout.validation_report(run_id)}"
    try:
        return ValidationReport.model_validate_json(read_object(cloud.s3, uri))
    except (UserError, ValidationError):
        return None

"""Everything a report is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from retraining.report.costs import Prices
from retraining.report.inputs import (
    Evaluation,
    Job,
    LabelFile,
    Plan,
    Training,
    Validation,
    Verdict,
)


@dataclass(frozen=True)
class Material:
    """What is known of a run. None is what is not there; ``gaps`` says so in whole sentences.

    ``pictures`` are data: URIs by the names that evaluation.json gives, ``digests`` those of
    container images by the images' names.
    """

    run_id: str
    written_at: datetime
    prices: Prices
    trained: bool
    started_at: datetime | None = None
    verdict: Verdict | None = None
    evaluation: Evaluation | None = None
    training: Training | None = None
    validation: Validation | None = None
    plan: Plan | None = None
    label_files: tuple[LabelFile, ...] = ()
    jobs: tuple[Job, ...] = ()
    pictures: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    code_version: str = ""
    code_fingerprint: str = ""
    gaps: tuple[str, ...] = ()

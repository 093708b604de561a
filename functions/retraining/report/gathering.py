"""Reads what a report is made of: the run's files, its label files' versions, its jobs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel

from retraining import s3_layout
from retraining.ledger import Ledger
from retraining.report import examples
from retraining.report.code_version import fingerprint
from retraining.report.costs import price_table
from retraining.report.images import digest_of
from retraining.report.inputs import (
    Evaluation,
    Job,
    LabelFile,
    Plan,
    Training,
    Validation,
    Verdict,
    parse,
)
from retraining.report.jobs import jobs_of
from retraining.report.material import Material
from retraining.report.pictures import read_pictures
from retraining.settings import Settings
from retraining.storage import Bucket

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_sagemaker import SageMakerClient

_Model = TypeVar("_Model", bound=BaseModel)
_Found = TypeVar("_Found")

# What evaluation.json is at its largest, some times over; parsed it takes several times as much.
_LARGEST_DOCUMENT = 16 * 1024 * 1024
_MOST_LABEL_FILES = 200


@dataclass(frozen=True)
class Sources:
    """Where everything is read."""

    bucket: Bucket
    ledger: Ledger
    sagemaker: SageMakerClient
    ecr: ECRClient
    settings: Settings


@dataclass(frozen=True)
class RunOfReport:
    """The run to report on; jobs are "" where none ran."""

    run_id: str
    started_at: datetime | None = None
    training_job: str = ""
    evaluation_job: str = ""

    @property
    def trained(self) -> bool:
        """Tell whether there was anything to train."""
        return bool(self.training_job)


@dataclass
class Gatherer:
    """Gathers one report's material. Whatever cannot be had is named, and never fatal."""

    sources: Sources
    run: RunOfReport
    _gaps: list[str] = field(default_factory=list)

    def gather(self, now: datetime) -> Material:
        """Read everything there is about the run."""
        run, sources = self.run, self.sources
        validation = self._document(
            s3_layout.validation_report(run.run_id), Validation, "what was found in the data"
        )
        plan = verdict = evaluation = training = None
        if run.trained:
            plan = self._document(s3_layout.plan(run.run_id), Plan, "the plan of the training")
            verdict = self._document(s3_layout.verdict(run.run_id), Verdict, "the verdict")
            evaluation = self._document(
                s3_layout.evaluation(run.run_id), Evaluation, "the evaluation"
            )
            training = self._document(
                s3_layout.candidate_manifest(run.run_id), Training, "the course of the training"
            )
        jobs = self._jobs() if run.trained else ()
        datasets = [each.name for each in validation.datasets] if validation else []
        return Material(
            run_id=run.run_id,
            written_at=now,
            prices=price_table(sources.settings.instance_prices),
            trained=run.trained,
            started_at=run.started_at,
            verdict=verdict,
            evaluation=evaluation,
            training=training,
            validation=validation,
            plan=plan,
            label_files=self._label_files(datasets),
            jobs=jobs,
            pictures=self._pictures(evaluation) if evaluation else {},
            digests=self._digests(jobs),
            code_version=sources.settings.code_version,
            code_fingerprint=fingerprint(),
            gaps=tuple(self._gaps),
        )

    def _document(self, key: str, model: type[_Model], what: str) -> _Model | None:
        content = self._attempt(lambda: self._json(key), f"{what} ({key})")
        if content is None:
            return None
        parsed = parse(model, content)
        if parsed is None:
            self._gaps.append(f"There is no telling {what}: {key} does not have the agreed shape.")
        return parsed

    def _json(self, key: str) -> Any:  # noqa: ANN401  # JSON is whatever the writer wrote
        stored = self.sources.bucket.head(key)
        if stored is None:
            raise LookupError("it is not there")
        if stored.size > _LARGEST_DOCUMENT:
            raise ValueError("it is too large")
        return json.loads(self.sources.bucket.read(key).body)

    def _attempt(self, read: Callable[[], _Found], what: str) -> _Found | None:
        try:
            return read()
        # A name that no file system or parser expects is one more reason, not another case.
        except (ClientError, BotoCoreError, LookupError, ValueError, RecursionError) as error:
            self._gaps.append(f"There is no telling {what}: {_why(error)}.")
            return None

    def _jobs(self) -> tuple[Job, ...]:
        run = self.run
        described = self._attempt(
            lambda: jobs_of(self.sources.sagemaker, run.training_job, run.evaluation_job),
            "what the jobs cost",
        )
        return described or ()

    def _label_files(self, datasets: Sequence[str]) -> tuple[LabelFile, ...]:
        read = self._attempt(
            lambda: [
                LabelFile(
                    dataset=each.dataset,
                    name=each.relative,
                    etag=each.taken_etag,
                    version_id=each.taken_version_id,
                    lines=each.taken_lines,
                )
                for name in datasets
                for each in self.sources.ledger.uploads_of(name)
                if each.taken_by == self.run.run_id
            ],
            "which versions of the label files were read",
        )
        return tuple(read or ())[:_MOST_LABEL_FILES]

    def _pictures(self, evaluation: Evaluation) -> dict[str, str]:
        chosen = (*examples.worst(evaluation), *examples.most_improved(evaluation))
        names = [each.example.picture for each in chosen]
        found = self._attempt(
            lambda: read_pictures(self.sources.bucket, self.run.run_id, names),
            "what the lines look like",
        )
        if found is None:
            return {}
        if found.left_out:
            self._gaps.append(
                f"{found.left_out} of the lines below have no picture: it is not there, is no "
                "JPEG, or would make this file too large."
            )
        return found.uris

    def _digests(self, jobs: Sequence[Job]) -> dict[str, str]:
        images = {each.image for each in jobs if each.image}
        digests = {each: digest_of(self.sources.ecr, each) for each in images}
        return {image: digest for image, digest in digests.items() if digest}


def _why(error: Exception) -> str:
    if isinstance(error, ClientError):
        return f"{error.operation_name} was refused ({error.response['Error']['Code']})"
    if isinstance(error, LookupError) and error.args:
        return str(error.args[0])
    return "it cannot be read" if isinstance(error, json.JSONDecodeError) else str(error)

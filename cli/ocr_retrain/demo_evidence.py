"""Saving what a run left behind, so that it outlives the local cloud."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_retrain.errors import UserError
from ocr_retrain.executions import fetch_events
from ocr_retrain.model_registry import describe_version
from ocr_retrain.s3_uris import read_object
from retraining import s3_layout

if TYPE_CHECKING:
    from ocr_retrain.connection import Cloud
    from ocr_retrain.demo_report import SampleReading
    from ocr_retrain.watching import Watched


_REPORTS = {
    "validation": s3_layout.validation_report,
    "plan": s3_layout.plan,
    "evaluation": s3_layout.evaluation,
    "verdict": s3_layout.verdict,
}


@dataclass(frozen=True)
class Evidence:
    """Where things are: (name, S3 URI) pairs, and the folder they were downloaded to."""

    uris: tuple[tuple[str, str], ...]
    folder: Path


def save_evidence(
    cloud: Cloud,
    watched: Watched,
    samples: Sequence[SampleReading],
    images: Sequence[tuple[Path, str]],
    folder: Path,
) -> Evidence:
    """Download the run's reports to ``folder`` and say where everything is."""
    folder.mkdir(parents=True, exist_ok=True)
    _remove_earlier(folder)
    reports = _save_reports(cloud, watched.result.run_id, folder)
    _save_histories(cloud, watched, folder)
    _write_json(folder / "readings.json", [asdict(sample) for sample in samples])
    for image, _ in images:
        target = folder / "samples" / image.name
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(image, target)
    return Evidence((*reports, *_models(cloud, watched)), folder)


def _remove_earlier(folder: Path) -> None:
    # What an earlier demo left must not be taken for this one's.
    names = [f"{name}.json" for name in (*_REPORTS, "readings")]
    for path in [*(folder / name for name in names), *folder.glob("execution-*.json")]:
        path.unlink(missing_ok=True)
    shutil.rmtree(folder / "samples", ignore_errors=True)


def _save_reports(cloud: Cloud, run_id: str, folder: Path) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, key_of in _REPORTS.items():
        uri = f"s3://{cloud.stack.bucket}/{key_of(run_id)}"
        try:
            content = read_object(cloud.s3, uri)
        except UserError:
            # A run that ended early leaves fewer reports, and its end is told anyway.
            continue
        (folder / f"{name}.json").write_bytes(content)
        found.append((name, uri))
    return found


def _save_histories(cloud: Cloud, watched: Watched, folder: Path) -> None:
    arns = {"retrain": watched.snapshot.execution.arn}
    arns |= {f"deploy-{number}": arn for number, arn in enumerate(watched.snapshot.nested, 1)}
    for name, arn in arns.items():
        events = list(fetch_events(cloud.stepfunctions, arn))
        _write_json(folder / f"execution-{name}.json", {"executionArn": arn, "events": events})


def _models(cloud: Cloud, watched: Watched) -> list[tuple[str, str]]:
    output = watched.result.output
    if output is None or not output.package_arn:
        return []
    return [("new model", describe_version(cloud.sagemaker, output.package_arn).model_data)]


def _write_json(path: Path, value: object) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    path.write_text(f"{text}\n", encoding="utf-8")

"""The main job on this machine, from nothing to a better model that is served.

The demo does what a user does, with the code the commands use: it starts a local cloud, registers
a real base model, uploads data, and then only watches. What it says at the end it has measured.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from localcloud import lifecycle
from ocr_retrain import demo_data
from ocr_retrain.base_model import PRETRAINED
from ocr_retrain.bootstrap import bootstrap
from ocr_retrain.connection import Cloud, connect_local
from ocr_retrain.dataset_folder import DatasetFolder, scan
from ocr_retrain.demo_checks import Measured, shortcomings
from ocr_retrain.demo_evidence import Evidence, save_evidence
from ocr_retrain.demo_report import SampleReading, conclusion, evidence_lines
from ocr_retrain.drop import DropResult, drop, upload
from ocr_retrain.errors import UserError
from ocr_retrain.exits import ExitCode
from ocr_retrain.follow import known_executions, next_execution
from ocr_retrain.local_cloud import start_local_cloud
from ocr_retrain.model_registry import describe_endpoint
from ocr_retrain.narration import Narrator
from ocr_retrain.phrases import count, duration, size
from ocr_retrain.prediction import Mode, predict
from ocr_retrain.repository import local_cloud_home
from ocr_retrain.terminal import STEP_INDENT, show, show_line, tell
from ocr_retrain.upload_progress import upload_progress
from ocr_retrain.watching import Watched, watch_run

if TYPE_CHECKING:
    from ocr_retrain.repository import Repository

_GOLDEN_PREFIX = "golden/general/"
_STEPS = 7
_START_TIMEOUT = 120.0


@dataclass(frozen=True)
class DemoOptions:
    """Where the demo runs (``home``), what it leaves: the cloud (``keep``) and ``results``."""

    home: Path
    results: Path
    keep: bool


def run_demo(repository: Repository, options: DemoOptions) -> None:
    """Run the main job; raises UserError when it does not end as promised."""
    narrator = Narrator(_STEPS)
    with _local_cloud(repository, options, narrator) as cloud:
        with narrator.step("Register and deploy the base model"):
            narrator.say(
                f"{PRETRAINED}: PaddleOCR's pretrained recognizer, its neck and head made "
                "trainable again."
            )
            bootstrap(cloud, repository, PRETRAINED, STEP_INDENT)
        with narrator.step("Prepare the data"):
            data = _prepare(cloud, repository, narrator)
        readings_before = _read_samples(cloud, data, narrator, "Read new lines with version 1")
        known = known_executions(cloud)
        with narrator.step("Drop the labelled data"):
            _drop(cloud, data, narrator)
        with narrator.step("Watch the retraining: nobody starts anything by hand from here on"):
            watched = _watch_next(cloud, known)
        readings = _read_samples(cloud, data, narrator, "Read the same lines again")
        samples = [
            SampleReading(image.name, truth, before, after)
            for (image, truth), before, after in zip(
                data.samples, readings_before, readings, strict=True
            )
        ]
        evidence = save_evidence(cloud, watched, samples, data.samples, options.results)
        _conclude(cloud, known, watched, samples, evidence, narrator)
        if options.keep:
            _say_what_stays(cloud, options)


@contextmanager
def _local_cloud(
    repository: Repository, options: DemoOptions, narrator: Narrator
) -> Iterator[Cloud]:
    running = lifecycle.status(options.home)
    if running is not None:
        raise UserError(
            f"A local cloud is up already at {running.endpoint_url}: end it with "
            "`ocr-retrain local down`, or give the demo another --home."
        )
    finished = False
    try:
        with narrator.step("Start a local cloud and deploy template.yaml into it"):
            connection = start_local_cloud(
                options.home,
                repository.root,
                on_progress=narrator.say,
                bind_to_this_process=not options.keep,
            )
            cloud = connect_local(connection, connection.stack_name)
            narrator.say(f"Up at {connection.endpoint_url}, stack {connection.stack_name}.")
        yield cloud
        finished = True
    finally:
        if not (finished and options.keep):
            narrator.say("Ending the local cloud.")
            lifecycle.stop(options.home)


def _prepare(cloud: Cloud, repository: Repository, narrator: Narrator) -> demo_data.DemoData:
    data = demo_data.build(repository.cache / "demo-data")
    folder = scan(data.golden)
    result = _upload_golden(cloud, folder)
    narrator.say(
        f"Golden set, which must not get worse: {count(len(folder.images), 'rendered line')} "
        f"at {result.uri}"
    )
    return data


def _upload_golden(cloud: Cloud, folder: DatasetFolder) -> DropResult:
    with upload_progress(folder, STEP_INDENT) as on_file:
        return upload(cloud.s3, cloud.stack.bucket, _GOLDEN_PREFIX, folder, on_file)


def _read_samples(
    cloud: Cloud, data: demo_data.DemoData, narrator: Narrator, title: str
) -> list[str]:
    with narrator.step(title):
        images = [image for image, _ in data.samples]
        readings = predict(cloud.sagemaker_runtime, cloud.stack.endpoint, images, Mode.LINE)
        texts = [
            " ".join(prediction.text for prediction in reading.predictions) for reading in readings
        ]
        right = sum(text == truth for text, (_, truth) in zip(texts, data.samples, strict=True))
        narrator.say(
            f"Endpoint {cloud.stack.endpoint} reads {right} of {count(len(texts), 'sample')} "
            "exactly; none of them is in the training data."
        )
    return texts


def _drop(cloud: Cloud, data: demo_data.DemoData, narrator: Narrator) -> None:
    folder = scan(data.dataset)
    narrator.say(f"ocr-retrain drop {data.dataset} --name {data.dataset_name}")
    with upload_progress(folder, STEP_INDENT) as on_file:
        result = drop(cloud.s3, cloud.stack.bucket, folder, data.dataset_name, on_file)
    narrator.say(f"{count(result.uploaded, 'file')} ({size(result.bytes)}) at {result.uri}")


def _watch_next(cloud: Cloud, known: frozenset[str]) -> Watched:
    execution = next_execution(cloud, known, deadline=time.monotonic() + _START_TIMEOUT)
    if execution is None:
        raise UserError(
            "The upload started no run: `ocr-retrain local logs` may tell why.", ExitCode.FAILED
        )
    return watch_run(cloud, execution.arn, indent=STEP_INDENT)


def _say_what_stays(cloud: Cloud, options: DemoOptions) -> None:
    tell(
        f"\nThe local cloud stays up at {cloud.endpoint_url}: try `ocr-retrain models` and "
        "`ocr-retrain runs`; `ocr-retrain local down` ends it."
    )
    if options.home != local_cloud_home():
        tell(f"They find it with OCR_RETRAIN_HOME={options.home}")


def _conclude(
    cloud: Cloud,
    known: frozenset[str],
    watched: Watched,
    samples: list[SampleReading],
    evidence: Evidence,
    narrator: Narrator,
) -> None:
    show(conclusion(watched.result, watched.verdict, samples))
    for line in evidence_lines(evidence):
        show_line(line)
    show_line(f"Total time: {duration(narrator.seconds())}")
    output = watched.result.output
    failures = shortcomings(
        Measured(
            outcome=watched.result.outcome,
            reason=watched.result.reason,
            slices=tuple(watched.verdict.slices) if watched.verdict else (),
            executions=len(known_executions(cloud) - known),
            new_package=output.package_arn if output else "",
            endpoint=describe_endpoint(cloud.sagemaker, cloud.stack.endpoint),
        )
    )
    if failures:
        raise UserError("The demo did not end as promised: " + " ".join(failures), ExitCode.FAILED)

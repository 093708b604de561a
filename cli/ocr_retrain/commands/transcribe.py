"""``ocr-retrain transcribe``."""

from __future__ import annotations

import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ocr_retrain.commands.options import CloudOption, JsonOption, StackOption, connect_and_say
from ocr_retrain.connection import DEFAULT_STACK, Cloud, CloudChoice
from ocr_retrain.counting import Wording, counting
from ocr_retrain.errors import UserError
from ocr_retrain.executions import Execution
from ocr_retrain.exits import ExitCode
from ocr_retrain.model_registry import (
    Approval,
    ListedPackage,
    find_package,
    latest_approved,
    list_packages,
)
from ocr_retrain.phrases import count
from ocr_retrain.prediction import Mode
from ocr_retrain.s3_uris import object_uri
from ocr_retrain.terminal import INDENT, is_interactive, note, show_json, show_line, tell
from ocr_retrain.transcription import running
from ocr_retrain.transcription.joining import Joined, Reasons, join
from ocr_retrain.transcription.plan import make_plan
from ocr_retrain.transcription.record import (
    Transcription,
    read_transcription,
    write_transcription,
)
from ocr_retrain.transcription.sources import find_images
from retraining import names, s3_layout

_READING = Wording("Reading", "image", "read")
_JOINING = Wording("Fetching", "answer", "fetched")


def transcribe_command(
    images: Annotated[
        str,
        typer.Argument(
            metavar="IMAGES",
            show_default=False,
            help="s3://bucket/prefix/ or a local folder, which is uploaded first.",
        ),
    ] = "",
    model: Annotated[
        int | None,
        typer.Option("--model", show_default="the latest approved", help="Version to read with."),
    ] = None,
    mode: Annotated[
        Mode, typer.Option("--mode", help="One cropped line per image, or a whole page.")
    ] = Mode.LINE,
    min_confidence: Annotated[
        float,
        typer.Option("--min-confidence", min=0.0, max=1.0, help="Leave less certain lines out."),
    ] = 0.0,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", show_default="<transcription>.jsonl", help="Where the lines go."
        ),
    ] = None,
    job: Annotated[
        str,
        typer.Option(
            "--job", show_default=False, help="Take up a transcription that was started before."
        ),
    ] = "",
    as_json: JsonOption = False,
    cloud: CloudOption = CloudChoice.AUTO,
    stack: StackOption = DEFAULT_STACK,
) -> None:
    """Read many images with one version, without an endpoint, and write JSON Lines.

    Transform jobs read the images; nothing runs, or costs anything, once they have ended. Each
    image has one line, {"image": URI, "predictions": [{"box", "text", "confidence"}]}, in the order
    of the URIs; one that cannot be read has an "error" in it, and the others are read all the same.

    Ctrl-C asks whether to stop the jobs. What they have read by then is kept: `--job` fetches it.
    Exit status: 0 every image was read, 1 some were not, 13 nothing was read.
    """
    if bool(images) == bool(job):
        raise UserError("Give either IMAGES to read, or --job with a transcription to take up.")
    connection = connect_and_say(cloud, stack)
    if job:
        transcription = read_transcription(connection.s3, connection.stack, job)
    else:
        transcription = _prepare(connection, images, model, (mode, min_confidence))
        running.start(connection, transcription)
        jobs = count(len(transcription.shards), "transform job")
        note(
            f"Transcription {transcription.transcription_id}: version {transcription.version} "
            f"reads {count(transcription.images, 'image')} in {jobs}."
        )
    execution = _follow(connection, transcription)
    target = output or Path(f"{transcription.transcription_id}.jsonl")
    joined = _collect(connection, transcription, execution, target)
    _report(connection, transcription, joined, target, as_json)
    if joined.failed:
        raise typer.Exit(ExitCode.ERROR)


def _prepare(
    cloud: Cloud, images: str, model: int | None, reading: tuple[Mode, float]
) -> Transcription:
    package = _package(cloud, model)
    source = find_images(cloud.s3, cloud.stack.bucket, images)
    if source.others:
        note(f"{count(source.others, 'object')} with names of text or archives left alone.")
    plan = make_plan(source.images)
    if not plan.shards:
        first = plan.set_aside[0]
        raise UserError(f"None of the images can be read, such as {first.key}: {first.reason}")
    identifier = names.run_id(datetime.now(UTC), secrets.token_hex(3))
    return write_transcription(
        cloud.s3,
        cloud.stack,
        identifier,
        (package.arn, package.version),
        reading,
        source.bucket,
        plan,
    )


def _package(cloud: Cloud, version: int | None) -> ListedPackage:
    group = cloud.stack.model_package_group
    if version is None:
        latest = latest_approved(cloud.sagemaker, group)
        if latest is None:
            raise UserError("No version is approved yet: `ocr-retrain bootstrap` registers one.")
        return latest
    package = find_package(list_packages(cloud.sagemaker, group), version)
    if package.approval != Approval.APPROVED:
        raise UserError(
            f"Version {version} is {package.approval}, and SageMaker makes models of approved "
            "versions only: `ocr-retrain models` lists those."
        )
    return package


def _follow(cloud: Cloud, transcription: Transcription) -> Execution:
    try:
        with counting(transcription.images, _READING) as images:
            return running.follow(cloud, transcription, images.reach)
    except (KeyboardInterrupt, SystemExit):
        again = f"`ocr-retrain transcribe --job {transcription.transcription_id}`"
        if _shall_go_on():
            tell(f"The jobs go on; {again} fetches what they read.")
        else:
            running.stop(cloud, transcription)
            tell(f"The jobs are stopped; {again} fetches what they have read.")
        raise


def _shall_go_on() -> bool:
    if not (is_interactive() and sys.stdin.isatty()):
        return False
    try:
        return not typer.confirm("Stop the transform jobs?", default=True, err=True)
    except typer.Abort:
        return False


def _collect(
    cloud: Cloud, transcription: Transcription, execution: Execution, target: Path
) -> Joined:
    failed = running.failures(cloud, execution)
    for name, reason in failed.items():
        tell(f"Transform job {name} failed: {reason}.", style="yellow")
    stopped = execution.status != "SUCCEEDED"
    reasons = Reasons(failed, "it was stopped") if stopped else Reasons(failed)
    total = transcription.images + len(transcription.left_out)
    with counting(total, _JOINING) as answers, target.open("wb") as file:
        joined = join(cloud.s3, transcription, reasons, file, answers.reach)
    key = s3_layout.transcribed(transcription.transcription_id)
    cloud.s3.upload_file(str(target), cloud.stack.bucket, key)
    return joined


def _report(
    cloud: Cloud, transcription: Transcription, joined: Joined, target: Path, as_json: bool
) -> None:
    key = s3_layout.transcribed(transcription.transcription_id)
    uri = object_uri(cloud.stack.bucket, key)
    for image, error in joined.examples:
        note(f"{image}: {error}", style="red")
    if joined.failed > len(joined.examples):
        note(f"and {joined.failed - len(joined.examples):,} more", indent=INDENT)
    if as_json:
        show_json(
            {
                "transcription_id": transcription.transcription_id,
                "version": transcription.version,
                "read": joined.read,
                "failed": joined.failed,
                "output": str(target),
                "uri": uri,
            }
        )
        return
    failed = f", {joined.failed:,} could not be read" if joined.failed else ""
    show_line(f"{count(joined.read, 'image')} read{failed}: {target}, also at {uri}.")

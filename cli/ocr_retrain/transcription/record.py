"""What a transcription was asked to do: kept beside its answers, so that it can be taken up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from ocr_retrain.errors import UserError
from ocr_retrain.prediction import Mode
from ocr_retrain.s3_uris import object_uri, read_object
from ocr_retrain.transcription.plan import Plan
from retraining import names, s3_layout

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from ocr_retrain.stack import Stack


class Job(BaseModel):
    """One transform job, as the state machine is told of it."""

    model_config = ConfigDict(frozen=True)

    job: str
    manifest_uri: str
    output_uri: str
    payload_megabytes: int
    at_once: int


class LeftOut(BaseModel):
    """An image that no job reads, and why."""

    model_config = ConfigDict(frozen=True)

    key: str
    error: str


class Transcription(BaseModel):
    """One transcription; ``images`` counts those that jobs read."""

    model_config = ConfigDict(frozen=True)

    transcription_id: str
    package_arn: str
    version: int
    model_name: str
    mode: Mode
    min_confidence: float
    bucket: str
    images: int
    shards: tuple[Job, ...]
    left_out: tuple[LeftOut, ...]

    def for_state_machine(self) -> str:
        """Return the input of the execution that reads."""
        return json.dumps(
            {
                "transcription_id": self.transcription_id,
                "package_arn": self.package_arn,
                "model_name": self.model_name,
                "mode": self.mode.value,
                # Environment variables are text.
                "min_confidence": f"{self.min_confidence:g}",
                "shards": [shard.model_dump() for shard in self.shards],
            }
        )


def write_transcription(
    s3: S3Client,
    stack: Stack,
    identifier: str,
    package: tuple[str, int],
    reading: tuple[Mode, float],
    bucket: str,
    plan: Plan,
) -> Transcription:
    """Write manifests and the record of a transcription.

    ``package`` is an ARN and its version, ``reading`` a mode and the least confidence, ``bucket``
    where the images lie.
    """
    shards = []
    for number, shard in enumerate(plan.shards):
        manifest = s3_layout.transcription_manifest(identifier, number)
        content = [{"prefix": f"s3://{bucket}/"}, *(image.key for image in shard.images)]
        s3.put_object(Bucket=stack.bucket, Key=manifest, Body=json.dumps(content).encode())
        answers = s3_layout.transcription_answers(identifier, number)
        shards.append(
            Job(
                job=names.transform_job(stack.prefix, identifier, number),
                manifest_uri=object_uri(stack.bucket, manifest),
                output_uri=object_uri(stack.bucket, answers),
                payload_megabytes=shard.payload_megabytes,
                at_once=shard.at_once,
            )
        )
    transcription = Transcription(
        transcription_id=identifier,
        package_arn=package[0],
        version=package[1],
        model_name=names.transcription_model(stack.prefix, identifier),
        mode=reading[0],
        min_confidence=reading[1],
        bucket=bucket,
        images=sum(len(shard.images) for shard in plan.shards),
        shards=tuple(shards),
        left_out=tuple(LeftOut(key=each.key, error=each.reason) for each in plan.set_aside),
    )
    body = transcription.model_dump_json().encode()
    s3.put_object(Bucket=stack.bucket, Key=s3_layout.transcription(identifier), Body=body)
    return transcription


def read_transcription(s3: S3Client, stack: Stack, identifier: str) -> Transcription:
    """Return the record of a transcription; raises UserError when there is none."""
    uri = object_uri(stack.bucket, s3_layout.transcription(identifier))
    try:
        return Transcription.model_validate_json(read_object(s3, uri))
    except UserError as error:
        raise UserError(
            f"There is no transcription {identifier} (any more: they are kept for 30 days)."
        ) from error
    except ValidationError as error:
        raise UserError(f"{uri} cannot be understood: another version wrote it.") from error


def read_keys(s3: S3Client, job: Job) -> list[str]:
    """Return the keys of the images that a job reads."""
    _, *keys = json.loads(read_object(s3, job.manifest_uri))
    return [str(key) for key in keys]


def answer_uri(job: Job, key: str) -> str:
    """Return the URI of the object that a job writes for an image.

    SageMaker names it by the image's path below the manifest's prefix, which is the whole key here.
    """
    return f"{job.output_uri}/{key}.out"

"""``python -m pipelines``: print, make, start or delete the SageMaker pipeline of a stack."""

from __future__ import annotations

import argparse
import json
import os
import sys
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from pipelines.stack import Stack, StackError, read_stack

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

_DESCRIPTION = "Incremental retraining of an OCR recognizer: docs/pipelines.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks; returns the exit status."""
    given = _parser().parse_args(arguments)
    try:
        stack = read_stack(boto3.client("cloudformation"), given.stack)
        if given.command == "print":
            print(json.dumps(json.loads(_definition(stack)), indent=2, ensure_ascii=False))
            return 0
        client = boto3.client("sagemaker", region_name=stack.region)
        if given.command == "upsert":
            upsert(client, stack, _definition(stack))
        elif given.command == "start":
            print(start(client, stack, given.datasets))
        else:
            delete(client, stack)
    except (StackError, BotoCoreError, ClientError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def upsert(client: SageMakerClient, stack: Stack, definition: str) -> None:
    """Make the pipeline, or bring the one that is there up to date."""
    if exists(client, stack):
        client.update_pipeline(
            PipelineName=stack.prefix,
            PipelineDefinition=definition,
            PipelineDescription=_DESCRIPTION,
            RoleArn=stack.pipeline_role,
        )
        _say(f"Pipeline {stack.prefix} is up to date.")
        return
    client.create_pipeline(
        PipelineName=stack.prefix,
        PipelineDefinition=definition,
        PipelineDescription=_DESCRIPTION,
        ClientRequestToken=uuid.uuid4().hex,
        RoleArn=stack.pipeline_role,
    )
    _say(f"Pipeline {stack.prefix} was made.")


def exists(client: SageMakerClient, stack: Stack) -> bool:
    """Tell whether the stack's pipeline is there."""
    pages = client.get_paginator("list_pipelines").paginate(PipelineNamePrefix=stack.prefix)
    return any(
        each.get("PipelineName") == stack.prefix
        for page in pages
        for each in page["PipelineSummaries"]
    )


def start(client: SageMakerClient, stack: Stack, datasets: Sequence[str]) -> str:
    """Start an execution with the datasets, or with all that wait; returns its ARN.

    Raises StackError when there is no pipeline.
    """
    if not exists(client, stack):
        raise StackError(f"There is no pipeline {stack.prefix}: `python -m pipelines upsert`.")
    answer = client.start_pipeline_execution(
        PipelineName=stack.prefix,
        PipelineParameters=[{"Name": "Datasets", "Value": ",".join(datasets)}],
        ClientRequestToken=uuid.uuid4().hex,
    )
    return answer["PipelineExecutionArn"]


def delete(client: SageMakerClient, stack: Stack) -> None:
    """Delete the pipeline and the history of its executions, if it is there."""
    if exists(client, stack):
        client.delete_pipeline(PipelineName=stack.prefix, ClientRequestToken=uuid.uuid4().hex)
        _say(f"Pipeline {stack.prefix} was deleted.")
    else:
        _say(f"There is no pipeline {stack.prefix}.")


def _definition(stack: Stack) -> str:
    # The SDK takes long to load, asks for a region then, and nothing but the definition needs it.
    os.environ.setdefault("AWS_DEFAULT_REGION", stack.region)
    from pipelines.definition import definition

    return definition(stack)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipelines", description=__doc__)
    parser.add_argument("--stack", default="ocr-retrain", help="the stack (%(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("print", help="print the definition; changes nothing")
    commands.add_parser("upsert", help="make the pipeline, or bring it up to date")
    starting = commands.add_parser("start", help="start an execution, print its ARN")
    starting.add_argument("datasets", nargs="*", help="datasets; all that wait, if none is named")
    commands.add_parser("delete", help="delete the pipeline")
    return parser


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())

"""An execution of the pipeline here: real functions, the real trainer on a tiny model, one ledger.

The tests share one cloud and build on each other, in the order of this file.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.integration.digit_lines import dot_matrix, write_folder
from tests.integration.stack import Stack
from tests.pipelines.conftest import sdk
from tests.pipelines.player import Player, StepFailedError
from tests.unit.functions.pipeline_cloud import ARN, PipelineCloud

from retraining.claiming import Claims, RunRefusedError
from retraining.executions import Executions
from retraining.ledger import Ledger
from retraining.pipeline_executions import PipelineExecutions
from retraining.reconcile import Reconciler

pytestmark = pytest.mark.cloud


@pytest.fixture(scope="module")
def printed(stack: Stack) -> dict[str, Any]:
    """What `python -m pipelines print` says of the stack."""
    told = sdk("-m", "pipelines", "print", environment=stack.environment)
    made: dict[str, Any] = json.loads(told)
    return made


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not what():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.5)


def drop(stack: Stack, folder: Path, lines: dict[str, int], seed: int) -> None:
    """Upload a dataset while runs are paused, and wait until the ledger knows it."""
    write_folder(folder, dot_matrix, lines, seed=seed)
    done = stack.run("drop", folder)
    assert done.code == 0, done.stderr
    wait_for(lambda: state(stack, folder.name) == "waiting")


def ledger(stack: Stack) -> Ledger:
    table = boto3.resource(
        "dynamodb",
        endpoint_url=stack.environment["AWS_ENDPOINT_URL"],
        region_name=stack.environment["AWS_DEFAULT_REGION"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
    ).Table(stack.outputs["TableName"])
    return Ledger(table)


def in_service(stack: Stack) -> bool:
    endpoint = stack.sagemaker.describe_endpoint(EndpointName=stack.outputs["EndpointName"])
    return endpoint["EndpointStatus"] == "InService"


def state(stack: Stack, name: str) -> str:
    found = ledger(stack).dataset(name)
    return found.state if found else ""


def reconciler(stack: Stack, player: Player) -> Reconciler:
    """The reconciler as the functions have it, but that SageMaker knows of the execution."""
    cloud = PipelineCloud({player.arn: player.execution})
    return Reconciler(
        ledger(stack),
        Executions(stack.stepfunctions, stack.outputs["RetrainStateMachineArn"]),
        pipelines=PipelineExecutions(cloud),  # type: ignore[arg-type]
    )


def settle(stack: Stack, player: Player) -> None:
    """Do what start_retraining does when EventBridge tells that the execution has ended."""
    reconciler(stack, player).reconcile()


def test_a_pipeline_trains_judges_and_registers(
    stack: Stack, printed: dict[str, Any], tmp_path: Path
) -> None:
    assert stack.run("pause").code == 0
    drop(stack, tmp_path / "displays", {"train": 220, "val": 80}, seed=2)
    player = Player(stack, printed)
    player.play()

    assert player.answers["Judge"]["promote"] is True
    assert player.answers["Begin"]["datasets"] == '["displays"]'
    registered = player.answers["Register"]
    package = stack.sagemaker.describe_model_package(ModelPackageName=registered["package_arn"])
    about = package["CustomerMetadataProperties"]
    assert package["ModelPackageVersion"] == 2
    assert registered["approval_status"] == "Approved"
    assert about["parent_package_arn"].endswith("/1")
    assert about["run_id"] == player.answers["Begin"]["run_id"]
    assert about["report"].endswith("/report.html")

    # The lock is the run's until its end is known.
    player.execution.status = "Executing"
    with pytest.raises(RunRefusedError, match=r"Run .* is at work"):
        Claims(reconciler(stack, player)).claim(f"{ARN}2", ("displays",))
    player.execution.status = "Succeeded"
    settle(stack, player)
    assert state(stack, "displays") == "trained"
    assert ledger(stack).lock() is None
    assert not stack.runs(), "the state machine has run beside the pipeline"


def test_its_end_deploys_what_it_registered(stack: Stack) -> None:
    event = json.loads(
        (
            Path(__file__).parents[2] / "events" / "sagemaker_pipeline_execution_succeeded.json"
        ).read_text(encoding="utf-8")
    )
    arn = stack.outputs["RetrainStateMachineArn"].split(":")
    place = f"arn:aws:sagemaker:{arn[3]}:{arn[4]}:pipeline/{stack.outputs['Prefix']}"
    detail = {**event["detail"], "pipelineArn": place}
    stack.client("events").put_events(
        Entries=[
            {
                "Source": event["source"],
                "DetailType": event["detail-type"],
                "Detail": json.dumps(detail),
            }
        ]
    )
    wait_for(lambda: in_service(stack) and stack.serving_package().endswith("/2"))


def test_the_next_execution_starts_from_the_model_of_the_last(
    stack: Stack, printed: dict[str, Any], tmp_path: Path
) -> None:
    drop(stack, tmp_path / "more", {"train": 60, "val": 30}, seed=3)
    player = Player(stack, printed, arn=f"{ARN}3")
    player.play(until="Plan")
    plan = player.answers["Plan"]
    assert plan["champion_package_arn"].endswith("/2")
    assert plan["champion_model_data"] != ""
    player.execution.status = "Stopped"
    settle(stack, player)
    assert state(stack, "more") == "waiting"


def test_an_execution_with_nothing_usable_trains_nothing(
    stack: Stack, printed: dict[str, Any], tmp_path: Path
) -> None:
    bucket = stack.outputs["BucketName"]
    stack.s3.put_object(Bucket=bucket, Key="incoming/broken/labels/train.txt", Body=b"no tab\n")
    wait_for(lambda: state(stack, "broken") == "waiting")
    player = Player(stack, printed, arn=f"{ARN}4", datasets="broken")
    with pytest.raises(StepFailedError, match="NotYetError: Nothing to train"):
        player.play()
    assert "Train" not in player.answers
    settle(stack, player)
    assert state(stack, "broken") == "nothing_usable"


def test_a_pipeline_of_another_stack_is_refused(stack: Stack, printed: dict[str, Any]) -> None:
    text = json.dumps(printed).replace("ml.g5.xlarge", "ml.g5.2xlarge")
    with pytest.raises(StepFailedError, match="OutdatedPipelineError"):
        Player(stack, json.loads(text), arn=f"{ARN}5").play(until="Begin")

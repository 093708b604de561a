from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import boto3
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.validate import validate_parameters
from moto import mock_aws

from ocr_retrain.installation import removing, stacks
from ocr_retrain.installation.account import Account, is_gone
from ocr_retrain.installation.names import is_bucket_of, is_job_of, is_table_of
from ocr_retrain.main import execute
from retraining import names

from .installing import NUMBER, REGION, make_account

ROLE = f"arn:aws:iam::{NUMBER}:role/service"
BUCKET, TABLE = "ocr-retrain-bucket-1a2b3c4d5e6f", "ocr-retrain-Ledger-1A2B3C4D5E6F"
NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def account(session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for module in (stacks, removing):
        monkeypatch.setattr(module, "_POLL_SECONDS", 0.0)
    with mock_aws():
        made = make_account(session)
        monkeypatch.setattr("ocr_retrain.commands.destroy.connect_account", lambda: made)
        yield made


def _make_stack(account: Account) -> None:
    template = {
        "Parameters": {"Prefix": {"Type": "String", "Default": "ocr-retrain"}},
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
    }
    account.cloudformation.create_stack(
        StackName="ocr-retrain",
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": "Prefix", "ParameterValue": "ocr-retrain"}],
    )
    account.s3.create_bucket(
        Bucket="sources", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    account.s3.put_object(Bucket="sources", Key="sources/a.zip", Body=b"zip")
    images = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {"SourceBucketName": {"Value": "sources"}},
    }
    account.cloudformation.create_stack(
        StackName="ocr-retrain-images", TemplateBody=json.dumps(images)
    )


def _serve(account: Account, name: str = "ocr-retrain") -> None:
    sagemaker = account.sagemaker
    arn = f"arn:aws:sagemaker:{REGION}:{NUMBER}:model-package/{name}/1"
    model = names.model(name, 1, arn, NOW)
    config = names.endpoint_config(name, 1, NOW, "0123")
    sagemaker.create_model(
        ModelName=model, PrimaryContainer={"Image": "image"}, ExecutionRoleArn=ROLE
    )
    sagemaker.create_endpoint_config(
        EndpointConfigName=config,
        ProductionVariants=[
            {
                "VariantName": "AllTraffic",
                "ModelName": model,
                "InitialInstanceCount": 1,
                "InstanceType": "ml.c5.xlarge",
            }
        ],
    )
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)


def _make_data(account: Account) -> None:
    account.s3.create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    account.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2"):
        account.s3.put_object(Bucket=BUCKET, Key="incoming/a/labels.txt", Body=body)
    account.s3.delete_object(Bucket=BUCKET, Key="incoming/a/labels.txt")
    account.dynamodb.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    account.sagemaker.create_model_package_group(ModelPackageGroupName="ocr-retrain")
    account.sagemaker.create_model_package(ModelPackageGroupName="ocr-retrain")


def _left(account: Account) -> dict[str, int]:
    sagemaker = account.sagemaker
    return {
        "stacks": len(account.cloudformation.describe_stacks()["Stacks"]),
        "endpoints": len(sagemaker.list_endpoints()["Endpoints"]),
        "configs": len(sagemaker.list_endpoint_configs()["EndpointConfigs"]),
        "models": len(sagemaker.list_models()["Models"]),
        "tables": len(account.dynamodb.list_tables()["TableNames"]),
        "groups": len(sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"]),
    }


NOTHING = {"stacks": 0, "endpoints": 0, "configs": 0, "models": 0, "tables": 0, "groups": 0}


def test_everything_that_costs_money_goes_and_data_stays(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    _make_stack(account)
    _serve(account)
    _make_data(account)
    group = "/aws/lambda/ocr-retrain-start-retraining"
    account.logs.create_log_group(logGroupName=group)

    assert execute(["destroy", "--yes"]) == 0

    told = capsys.readouterr().out
    to_go, stays = told.split("Stays:")
    assert "endpoint ocr-retrain\n" in to_go
    assert BUCKET in stays
    assert "model package group ocr-retrain, 1 versions" in stays
    assert _left(account) == {**NOTHING, "tables": 1, "groups": 1}
    assert {bucket["Name"] for bucket in account.s3.list_buckets()["Buckets"]} == {
        BUCKET,
        "sources",
    }
    assert account.s3.list_objects_v2(Bucket="sources")["KeyCount"] == 0
    assert account.logs.describe_log_groups()["logGroups"] == []


def _make_pipeline(account: Account, *statuses: str) -> dict[str, str]:
    """Make a pipeline with executions; returns their statuses, which stopping changes."""
    account.sagemaker.create_pipeline(
        PipelineName="ocr-retrain",
        PipelineDefinition=json.dumps({"Version": "2020-12-01", "Steps": []}),
        ClientRequestToken="t" * 32,
        RoleArn=ROLE,
    )
    start = f"arn:aws:sagemaker:{REGION}:{NUMBER}:pipeline/ocr-retrain/execution/"
    return {f"{start}{number:012d}": status for number, status in enumerate(statuses)}


def test_a_pipeline_goes_when_its_executions_have_stopped(
    account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _make_stack(account)
    executions = _make_pipeline(account, "Succeeded", "Executing", "Failed")
    client, real = account.sagemaker, account.sagemaker._make_api_call  # type: ignore[attr-defined]
    calls: list[str] = []

    def call(operation: str, parameters: dict[str, str]) -> object:
        shape = client.meta.service_model.operation_model(operation).input_shape
        validate_parameters(parameters, shape)
        calls.append(operation)
        if operation == "StopPipelineExecution":
            executions[parameters["PipelineExecutionArn"]] = "Stopping"
            return {}
        if operation == "ListPipelineExecutions":
            told = [
                {"PipelineExecutionArn": arn, "PipelineExecutionStatus": status}
                for arn, status in executions.items()
            ]
            for arn, status in executions.items():
                executions[arn] = "Stopped" if status == "Stopping" else status
            return {"PipelineExecutionSummaries": told}
        return real(operation, parameters)

    monkeypatch.setattr(client, "_make_api_call", call)

    assert execute(["destroy", "--yes"]) == 0, capsys.readouterr().err

    told = capsys.readouterr().out
    assert "pipeline ocr-retrain, with the history of its executions" in told
    assert "execution 000000000001 of the pipeline, which is running" in told
    assert calls.count("StopPipelineExecution") == 1
    assert calls.index("StopPipelineExecution") < calls.index("DeletePipeline")
    assert client.list_pipelines()["PipelineSummaries"] == []


def test_a_dry_run_lists_and_removes_nothing(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    _make_stack(account)
    _serve(account)
    before = _left(account)

    assert execute(["destroy", "--dry-run"]) == 0

    assert "stack ocr-retrain (CREATE_COMPLETE)" in capsys.readouterr().out
    assert _left(account) == before


def test_images_can_be_kept(account: Account) -> None:
    _make_stack(account)

    assert execute(["destroy", "--yes", "--keep-images"]) == 0

    (stack,) = account.cloudformation.describe_stacks()["Stacks"]
    assert stack["StackName"] == "ocr-retrain-images"
    assert account.s3.list_objects_v2(Bucket="sources")["KeyCount"] == 1


def test_data_goes_when_the_stack_s_name_is_typed(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    _make_stack(account)
    _make_data(account)
    deleted = _accept_deletions(account, monkeypatch)
    monkeypatch.setattr("typer.prompt", lambda *_, **__: "ocr-retrain")

    assert execute(["destroy", "--yes", "--delete-data"]) == 0

    assert _left(account) == {**NOTHING, "groups": 1}
    assert deleted == [
        {"ModelPackageName": f"arn:aws:sagemaker:{REGION}:{NUMBER}:model-package/ocr-retrain/1"},
        {"ModelPackageGroupName": "ocr-retrain"},
    ]
    assert BUCKET not in [bucket["Name"] for bucket in account.s3.list_buckets()["Buckets"]]


def _accept_deletions(account: Account, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """Answer what moto does not know, after botocore has checked the request."""
    deleted: list[dict[str, str]] = []
    for action in ("DeleteModelPackage", "DeleteModelPackageGroup"):
        shape = account.sagemaker.meta.service_model.operation_model(action).input_shape

        def delete(shape: object = shape, **request: str) -> None:
            validate_parameters(request, shape)
            deleted.append(request)

        monkeypatch.setattr(account.sagemaker, xform_name(action), delete)
    return deleted


def test_another_name_removes_nothing_at_all(
    account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _make_stack(account)
    _make_data(account)
    before = _left(account)
    monkeypatch.setattr("typer.prompt", lambda *_, **__: "yes")

    assert execute(["destroy", "--yes", "--delete-data"]) == 1

    assert "'yes' is not 'ocr-retrain': nothing was removed." in capsys.readouterr().err
    assert _left(account) == before


def test_what_is_left_of_a_stack_that_is_gone_is_removed(account: Account) -> None:
    _serve(account)

    assert execute(["destroy", "--yes"]) == 0
    assert _left(account) == NOTHING


def test_a_second_call_finds_nothing_to_do(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["destroy", "--yes"]) == 0
    assert "nothing: there is nothing left of it" in capsys.readouterr().out


def test_things_of_a_stack_with_a_longer_prefix_are_left_alone(account: Account) -> None:
    _serve(account, "ocr-retrain-other")
    before = _left(account)

    assert execute(["destroy", "--yes"]) == 0
    assert _left(account) == before


def test_what_cannot_be_removed_is_told_and_the_rest_goes(
    account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _make_stack(account)
    _serve(account)

    def refuse(**_: object) -> None:
        answer = {"Error": {"Code": "AccessDeniedException", "Message": "You may not."}}
        raise ClientError(answer, "DeleteModel")  # type: ignore[arg-type]

    monkeypatch.setattr(account.sagemaker, "delete_model", refuse)

    assert execute(["destroy", "--yes"]) == 1
    assert "Not removed: deleting model ocr-retrain-v1-" in capsys.readouterr().err
    assert _left(account) == {**NOTHING, "models": 1}


@pytest.mark.parametrize(
    ("code", "message", "gone"),
    [
        ("ValidationException", 'Could not find endpoint "arn:aws:...".', True),
        ("ValidationException", "Group with packages cannot be deleted.", False),
        ("ResourceNotFoundException", "", True),
        ("AccessDeniedException", "not found", False),
    ],
)
def test_only_what_does_not_exist_counts_as_gone(code: str, message: str, gone: bool) -> None:
    error = ClientError({"Error": {"Code": code, "Message": message}}, "DeleteEndpoint")

    assert is_gone(error) is gone


def test_names_of_other_stacks_are_told_apart() -> None:
    run = "20261122-101545-3fa9c1"
    assert is_job_of("ocr", f"ocr-{run}-train-0")
    assert not is_job_of("ocr", f"ocr-other-{run}-train-0")
    assert not is_job_of("ocr", "ocr-by-hand-train-0")
    assert is_job_of("ocr", "ocr-pipeline-train-p4jn9xou8a8s-abc")
    assert not is_job_of("ocr", "ocr-pipeline-of-others-train-1")
    assert is_bucket_of("Ocr", "ocr-bucket-1a2b3c4d5e6f")
    assert not is_bucket_of("ocr", "ocr-bucket-of-somebody-else")
    assert not is_bucket_of("ocr", "ocr-sourcebucket-1a2b3c4d5e6f")
    assert is_table_of("ocr", "ocr-Ledger-1A2B3C4D5E6F")
    assert not is_table_of("ocr", "ocr-other-Ledger-1A2B3C4D5E6F")

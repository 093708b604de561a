"""``python -m pipelines`` against SageMaker and CloudFormation as moto plays them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from pipelines.__main__ import delete, exists, main, start, upsert
from pipelines.jobs import evaluation_request, training_request
from pipelines.stack import StackError, read_stack, stack_of

REGION = "eu-central-1"
OUTPUTS = {
    "Prefix": "ocr-retrain",
    "BucketName": "data",
    "TableName": "ledger",
    "ModelPackageGroupName": "ocr-retrain",
    "EndpointName": "ocr-retrain",
    "RetrainStateMachineArn": f"arn:aws:states:{REGION}:123456789012:stateMachine:ocr-retrain",
    "PipelineMadeFrom": "all of it",
    "JobRoleArn": "arn:aws:iam::123456789012:role/job",
    "PipelineRoleArn": "arn:aws:iam::123456789012:role/pipeline",
}
PARAMETERS = {
    "TrainingImageUri": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/ocr-retrain/training:1",
    "TrainingInstanceType": "ml.g5.xlarge",
    "TrainingInstanceCount": "1",
    "TrainingKeepAliveSeconds": "0",
    "TrainingInputMode": "FastFile",
    "EncryptTrainingTraffic": "false",
    "EvaluationInstanceType": "ml.c5.2xlarge",
    "TrainingVolumeGigabytes": "50",
    "UseSpotTraining": "true",
    "MaxTrainingSeconds": "14400",
    "MaxEvaluationSeconds": "3600",
    "KmsKeyArn": "",
    "VpcSubnetIds": "",
    "VpcSecurityGroupIds": "",
    "Hyperparameters": '{"epochs": 5, "recipe": "head", "grow": true}',
}
DEFINITION = json.dumps({"Version": "2020-12-01", "Steps": []})
STACK = stack_of(PARAMETERS, OUTPUTS)


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield


def deploy(outputs: dict[str, str]) -> None:
    template = {
        "Parameters": {name: {"Type": "String"} for name in PARAMETERS},
        "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}},
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    boto3.client("cloudformation").create_stack(
        StackName="ocr-retrain",
        TemplateBody=json.dumps(template),
        Parameters=[
            {"ParameterKey": name, "ParameterValue": value} for name, value in PARAMETERS.items()
        ],
    )


def test_a_stack_is_read_as_it_is_deployed() -> None:
    deploy(OUTPUTS)
    assert read_stack(boto3.client("cloudformation"), "ocr-retrain") == STACK
    assert STACK.settings.hyperparameters == {"epochs": "5", "recipe": "head", "grow": "true"}
    assert STACK.function("plan-training") == (
        f"arn:aws:lambda:{REGION}:123456789012:function:ocr-retrain-plan-training"
    )


def test_without_a_stack_the_error_says_what_makes_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--stack", "other", "print"]) == 1
    assert "There is no stack other" in capsys.readouterr().err


def test_a_stack_without_the_role_says_which_parameter_adds_it() -> None:
    deploy({name: value for name, value in OUTPUTS.items() if name != "PipelineRoleArn"})
    with pytest.raises(StackError, match="--parameter StudioPipeline=true"):
        read_stack(boto3.client("cloudformation"), "ocr-retrain")


def test_a_pipeline_is_made_once_and_brought_up_to_date() -> None:
    client = boto3.client("sagemaker")
    upsert(client, STACK, DEFINITION)
    changed = json.dumps({"Version": "2020-12-01", "Steps": [], "Metadata": {"a": "b"}})
    upsert(client, STACK, changed)
    found = client.describe_pipeline(PipelineName="ocr-retrain")
    assert json.loads(found["PipelineDefinition"]) == json.loads(changed)
    assert found["RoleArn"] == OUTPUTS["PipelineRoleArn"]


def test_an_execution_is_given_its_datasets() -> None:
    client = boto3.client("sagemaker")
    upsert(client, STACK, DEFINITION)
    arn = start(client, STACK, ["receipts", "meters"])
    told = client.list_pipeline_parameters_for_execution(PipelineExecutionArn=arn)
    assert told["PipelineParameters"] == [{"Name": "Datasets", "Value": "receipts,meters"}]


def test_an_execution_of_no_pipeline_says_how_to_make_it() -> None:
    with pytest.raises(StackError, match="python -m pipelines upsert"):
        start(boto3.client("sagemaker"), STACK, [])


def test_a_pipeline_is_deleted_and_deleting_it_again_is_no_fault() -> None:
    client = boto3.client("sagemaker")
    upsert(client, STACK, DEFINITION)
    delete(client, STACK)
    assert not exists(client, STACK)
    delete(client, STACK)


def test_jobs_are_protected_as_the_parameters_say() -> None:
    key = "arn:aws:kms:eu-central-1:123456789012:key/1234"
    given = {"KmsKeyArn": key, "VpcSubnetIds": "subnet-1,subnet-2", "VpcSecurityGroupIds": "sg-1"}
    stack = stack_of({**PARAMETERS, **given}, OUTPUTS)
    plan: dict[str, str] = defaultdict(str)
    training = training_request(stack, "run", plan)
    evaluation = evaluation_request(stack, "run", plan, "s3://candidate")
    network = {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
    assert training["VpcConfig"] == evaluation["NetworkConfig"]["VpcConfig"] == network
    assert training["OutputDataConfig"]["KmsKeyId"] == key
    assert evaluation["ProcessingOutputConfig"]["KmsKeyId"] == key
    # An ml.g5 has disks of its own, which take no key.
    assert "VolumeKmsKeyId" not in training["ResourceConfig"]
    assert evaluation["ProcessingResources"]["ClusterConfig"]["VolumeKmsKeyId"] == key
    assert "VpcConfig" not in training_request(STACK, "run", plan)

"""A customer's key and network: all stores, all roles that use them, and no empty field."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import botocore.session
import pytest
import yaml
from botocore.validate import ParamValidator
from jsonata import Jsonata

from .conftest import of_type

ROOT = Path(__file__).resolve().parents[3]
KEY_OR_NOTHING = {"Fn::If": ["HasKey", {"Ref": "KmsKeyArn"}, {"Ref": "AWS::NoValue"}]}
KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
NETWORK = {"VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}}
SUBSTITUTIONS = {
    "TrainingImageUri": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/ocr-retrain/training:1",
    "TrainingInstanceType": "ml.c5.4xlarge",
    "EvaluationInstanceType": "ml.c5.2xlarge",
    "EndpointInstanceType": "ml.c5.xlarge",
    "EndpointInstanceCount": "1",
    "InferenceAmiVersion": "",
    "JobRoleArn": "arn:aws:iam::123456789012:role/job",
    "ModelExecutionRoleArn": "arn:aws:iam::123456789012:role/model",
    "BucketName": "labelled-data",
    "TrainingVolumeGigabytes": "50",
    "TrainingInstanceCount": "1",
    "TrainingKeepAliveSeconds": "0",
    "TrainingInputMode": "File",
    "EncryptTrainingTraffic": "false",
    "MaxTrainingSeconds": "14400",
    "MaxEvaluationSeconds": "3600",
}
NOTHING = {"network": {}, "output_key": {}, "training_volume": {}, "evaluation_volume": {}}
EVERYTHING = {
    "network": NETWORK,
    "output_key": {"KmsKeyId": KEY},
    "training_volume": {"VolumeKmsKeyId": KEY},
    "evaluation_volume": {"VolumeKmsKeyId": KEY},
}
# What calls which service, by the actions of its own statements.
USES = {
    "s3:GetObject": {"ReadObjectsUnderKey", "WriteObjectsUnderKey"},
    "s3:PutObject": {"WriteObjectsUnderKey"},
    "dynamodb:": {"UseLedgerUnderKey"},
    "sns:Publish": {"TellPeopleUnderKey"},
}


def actions_of(properties: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    for policy in properties.get("Policies", []):
        for given in policy.get("PolicyDocument", policy)["Statement"]:
            _, statement, _ = given.get("Fn::If", ("", given, None))
            action = statement["Action"]
            found |= {action} if isinstance(action, str) else set(action)
    return found


def role_of(name: str, kind: str) -> str:
    return name if kind == "AWS::IAM::Role" else f"{name}Role"


def roles_of(policy: dict[str, Any]) -> list[dict[str, str]]:
    """Tell a policy's roles, those of parts that a condition leaves out as well."""
    return [each.get("Fn::If", ("", each))[1] for each in policy["Roles"]]


def test_every_store_is_under_the_key_when_there_is_one(template: dict[str, Any]) -> None:
    (bucket,) = of_type(template, "AWS::S3::Bucket").values()
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"] == KEY_OR_NOTHING
    (table,) = of_type(template, "AWS::DynamoDB::Table").values()
    assert table["SSESpecification"]["KMSMasterKeyId"] == KEY_OR_NOTHING
    queues = of_type(template, "AWS::SQS::Queue").values()
    assert [each["KmsMasterKeyId"] for each in queues] == [KEY_OR_NOTHING] * len(queues)
    (topic,) = of_type(template, "AWS::SNS::Topic").values()
    assert topic["KmsMasterKeyId"]["Fn::If"][:2] == ["HasKey", {"Ref": "KmsKeyArn"}]
    for name, group in of_type(template, "AWS::Logs::LogGroup").items():
        assert group.get("KmsKeyId") == KEY_OR_NOTHING, name


@pytest.mark.parametrize("action", USES)
def test_who_uses_a_store_may_use_its_key(template: dict[str, Any], action: str) -> None:
    policies = of_type(template, "AWS::IAM::Policy")
    for name, resource in template["Resources"].items():
        if not any(each.startswith(action) for each in actions_of(resource["Properties"])):
            continue
        role = {"Ref": role_of(name, resource["Type"])}
        granted = {each for each in USES[action] if role in roles_of(policies[each])}
        assert granted, f"{name} lacks the key for {action}"


def test_the_key_is_used_through_a_service_or_for_a_volume_only(template: dict[str, Any]) -> None:
    uses = {
        name: statement
        for name, policy in of_type(template, "AWS::IAM::Policy").items()
        for statement in policy["PolicyDocument"]["Statement"]
        if str(statement["Action"]).count("kms:")
    }
    assert len(uses) == 6
    for name, statement in uses.items():
        assert statement["Resource"] == {"Ref": "KmsKeyArn"}, name
        assert template["Resources"][name]["Condition"] == "HasKey"
        via = statement["Condition"].get("StringEquals", {}).get("kms:ViaService")
        grant = statement["Condition"].get("Bool") == {"kms:GrantIsForAWSResource": "true"}
        assert via or grant, name


@pytest.mark.parametrize(
    ("kind", "owner"),
    [
        ("AWS::S3::BucketPolicy", "Bucket"),
        ("AWS::SQS::QueuePolicy", "Queues"),
        ("AWS::SNS::TopicPolicy", "Topics"),
    ],
)
def test_nothing_travels_without_tls(template: dict[str, Any], kind: str, owner: str) -> None:
    stores = {"Bucket": "AWS::S3::Bucket", "Queues": "AWS::SQS::Queue", "Topics": "AWS::SNS::Topic"}
    policies = of_type(template, kind).values()
    covered = []
    for policy in policies:
        given = policy[owner]
        covered += given if isinstance(given, list) else [given]
        denial = [
            each
            for each in policy["PolicyDocument"]["Statement"]
            if each["Effect"] == "Deny" and each["Principal"] == "*"
        ]
        assert [each["Condition"] for each in denial] == [
            {"Bool": {"aws:SecureTransport": "false"}}
        ]
    assert {each["Ref"] for each in covered} == set(of_type(template, stores[owner]))


def test_jobs_write_only_where_their_results_belong(template: dict[str, Any]) -> None:
    (policy,) = template["Resources"]["JobRole"]["Properties"]["Policies"]
    (write,) = [
        each for each in policy["PolicyDocument"]["Statement"] if "s3:PutObject" in each["Action"]
    ]
    assert {each["Fn::Sub"] for each in write["Resource"]} == {
        "${Bucket.Arn}/runs/*/checkpoints/*",
        "${Bucket.Arn}/runs/*/evaluation/*",
        "${Bucket.Arn}/models/*",
    }


def test_captured_requests_go_when_their_time_is_over(template: dict[str, Any]) -> None:
    rules = template["Resources"]["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    (rule,) = [each for each in rules if each.get("Prefix") == "captured/"]
    assert rule["ExpirationInDays"] == {"Ref": "DataCaptureDays"}
    # The bucket keeps old versions; without this they would stay for another 90 days.
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}


def evaluate(value: object, variables: dict[str, Any]) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return {key: evaluate(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [evaluate(item, variables) for item in value]
    if not isinstance(value, str) or not value.startswith("{%"):
        return value
    expression = Jsonata(value.removeprefix("{%").removesuffix("%}"))
    frame = expression.create_frame()
    for name, known in variables.items():
        frame.bind(name, known)
    return expression.evaluate(None, frame)


def states(machine: str, given: Mapping[str, str]) -> dict[str, Any]:
    text = (ROOT / "statemachine" / f"{machine}.asl.yaml").read_text(encoding="utf-8")
    for name, value in {**SUBSTITUTIONS, **given}.items():
        text = text.replace(f"${{{name}}}", value)
    found: dict[str, Any] = yaml.safe_load(text)["States"]
    return found


def plan(**parts: Any) -> dict[str, Any]:  # noqa: ANN401
    uri = "s3://labelled-data/runs/20261122-101545-3fa9c1/any"
    names = (
        "champion_package_arn champion_model_data labels_uri training_manifest_uri slices_uri "
        "evaluation_manifest_uri evaluation_output_uri checkpoints_uri training_job_name "
        "evaluation_job_name"
    )
    return {**dict.fromkeys(names.split(), uri), "hyperparameters": {"epochs": "5"}, **parts}


def requests(
    parts: dict[str, Any],
    options: dict[str, Any],
    *,
    spot: bool,
    parameters: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Evaluate the requests of the jobs, the model and the endpoint configuration."""
    retrain, deploy = states("retrain", parameters), states("deploy", parameters)
    context = {"context": {"State": {"RetryCount": 0}, "Execution": {"Id": "arn"}}}
    variables: dict[str, Any] = {
        "plan": plan(**parts),
        "use_spot": spot,
        "run_id": "20261122-101545-3fa9c1",
        "states": context,
        "training": {"model_data": "s3://labelled-data/models/job/output/model.tar.gz"},
        "target": {
            "model_name": "ocr-retrain-v7-01234567",
            "config_name": "ocr-retrain-v7-20261122101545-0123",
            "package_arn": "arn:aws:sagemaker:eu-central-1:123456789012:model-package/g/7",
            "model_options": parts["network"],
            "config_options": options,
        },
    }
    variables |= evaluate(retrain["Describe training job"]["Assign"], variables)
    return {
        "CreateTrainingJob": evaluate(retrain["Fine-tune recognizer"]["Arguments"], variables),
        "CreateProcessingJob": evaluate(
            retrain["Evaluate candidate and champion"]["Arguments"], variables
        ),
        "CreateModel": evaluate(deploy["Create model"]["Arguments"], variables),
        "CreateEndpointConfig": evaluate(deploy["Create endpoint config"]["Arguments"], variables),
    }


@pytest.mark.parametrize("spot", [True, False])
@pytest.mark.parametrize(
    ("parts", "options"), [(NOTHING, {}), (EVERYTHING, {"KmsKeyId": KEY})], ids=["none", "all"]
)
def test_requests_are_what_sagemaker_takes(
    parts: dict[str, Any], options: dict[str, Any], *, spot: bool
) -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    for operation, given in requests(parts, options, spot=spot).items():
        shape = model.operation_model(operation).input_shape
        report = ParamValidator().validate(given, shape)
        assert not report.has_errors(), f"{operation}: {report.generate_report()}"


def test_several_instances_warm_pools_and_streamed_input_reach_the_training_job() -> None:
    parameters = {
        "TrainingInstanceCount": "2",
        "TrainingKeepAliveSeconds": "600",
        "TrainingInputMode": "FastFile",
        "EncryptTrainingTraffic": "true",
    }
    asked = requests(NOTHING, {}, spot=False, parameters=parameters)["CreateTrainingJob"]

    shape = botocore.session.get_session().get_service_model("sagemaker")
    request_shape = shape.operation_model("CreateTrainingJob").input_shape
    assert not ParamValidator().validate(asked, request_shape).has_errors()
    assert asked["ResourceConfig"] == {
        "InstanceType": "ml.c5.4xlarge",
        "InstanceCount": 2,
        "VolumeSizeInGB": 50,
        "KeepAlivePeriodInSeconds": 600,
    }
    assert asked["EnableInterContainerTrafficEncryption"] is True
    modes = {each["ChannelName"]: each["InputMode"] for each in asked["InputDataConfig"]}
    # SageMaker asks for File where a job goes on from another model.
    assert modes == {"champion": "File", "labels": "FastFile", "training": "FastFile"}
    plain = requests(NOTHING, {}, spot=True)["CreateTrainingJob"]
    assert "KeepAlivePeriodInSeconds" not in plain["ResourceConfig"]


def test_a_stack_with_a_warm_pool_of_spot_instances_is_refused(template: dict[str, Any]) -> None:
    rule = template["Rules"]["WarmPoolsAreOnDemand"]
    assert rule["RuleCondition"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "TrainingKeepAliveSeconds"}, "0"]}]
    }
    (assertion,) = rule["Assertions"]
    assert assertion["Assert"] == {"Fn::Equals": [{"Ref": "UseSpotTraining"}, "false"]}


def test_absent_parameters_leave_no_field_behind() -> None:
    given = requests(NOTHING, {}, spot=True)
    text = str(given)
    assert "Kms" not in text
    assert "Vpc" not in text


def test_a_key_and_a_network_reach_every_job_and_the_endpoint() -> None:
    given = requests(EVERYTHING, {"KmsKeyId": KEY}, spot=True)
    training, processing = given["CreateTrainingJob"], given["CreateProcessingJob"]
    assert training["VpcConfig"] == NETWORK["VpcConfig"]
    assert training["OutputDataConfig"]["KmsKeyId"] == KEY
    assert training["ResourceConfig"]["VolumeKmsKeyId"] == KEY
    assert processing["NetworkConfig"] == {"EnableNetworkIsolation": True, **NETWORK}
    assert processing["ProcessingOutputConfig"]["KmsKeyId"] == KEY
    assert processing["ProcessingResources"]["ClusterConfig"]["VolumeKmsKeyId"] == KEY
    assert given["CreateModel"]["VpcConfig"] == NETWORK["VpcConfig"]
    assert given["CreateEndpointConfig"]["KmsKeyId"] == KEY


def test_no_container_has_a_network_of_its_own() -> None:
    given = requests(EVERYTHING, {}, spot=False)
    assert given["CreateTrainingJob"]["EnableNetworkIsolation"] is True
    assert given["CreateProcessingJob"]["NetworkConfig"]["EnableNetworkIsolation"] is True
    assert given["CreateModel"]["EnableNetworkIsolation"] is True

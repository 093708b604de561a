"""The template: patterns against real payloads, least privilege, and nothing public."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from moto.events.models import EventPattern

from retraining.normalization import Rule
from retraining.settings import Settings
from retraining.smoke import MOST_SECONDS

ROOT = Path(__file__).resolve().parents[3]
# Actions for which AWS knows no resource names.
NAMELESS = {
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "ecr:GetAuthorizationToken",
    "application-autoscaling:DescribeScalableTargets",
    "cloudwatch:PutMetricData",
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
    "sagemaker:ListEndpointConfigs",
    "sagemaker:ListEndpoints",
    "sagemaker:ListModels",
}


def event(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ROOT / "events" / name).read_text(encoding="utf-8"))
    return loaded


def statements(template: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, resource in template["Resources"].items():
        properties = resource["Properties"]
        own = [properties] if resource["Type"] == "AWS::IAM::Policy" else []
        for policy in [*properties.get("Policies", []), *own]:
            document = policy.get("PolicyDocument", policy)
            for statement in document["Statement"]:
                _, given, _ = statement.get("Fn::If", ("always", statement, None))
                yield name, given


def matches(pattern: object, payload: dict[str, Any]) -> bool:
    return bool(EventPattern.load(json.dumps(pattern)).matches_event(payload))


def resolved(value: object, references: dict[str, str]) -> object:
    if isinstance(value, dict):
        if set(value) == {"Ref"}:
            return references[value["Ref"]]
        return {key: resolved(item, references) for key, item in value.items()}
    if isinstance(value, list):
        return [resolved(item, references) for item in value]
    return value


def test_only_actions_without_resource_names_have_a_wildcard_resource(
    template: dict[str, Any],
) -> None:
    for name, statement in statements(template):
        if statement["Resource"] == "*":
            actions = statement["Action"]
            actions = {actions} if isinstance(actions, str) else set(actions)
            assert actions <= NAMELESS, f"{name}: {statement['Sid']}"


def test_no_policy_allows_a_wildcard_action(template: dict[str, Any]) -> None:
    for name, statement in statements(template):
        actions = statement["Action"]
        for action in [actions] if isinstance(actions, str) else actions:
            assert "*" not in action, f"{name}: {statement['Sid']}"


def test_every_role_that_is_passed_is_passed_to_sagemaker_only(template: dict[str, Any]) -> None:
    passes = [each for _, each in statements(template) if each["Action"] == "iam:PassRole"]
    assert len(passes) == 4
    for statement in passes:
        assert statement["Condition"] == {
            "StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}
        }


def test_the_bucket_is_private_encrypted_and_versioned(template: dict[str, Any]) -> None:
    bucket = template["Resources"]["Bucket"]["Properties"]
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert bucket["VersioningConfiguration"]["Status"] == "Enabled"
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]


def test_the_queue_hides_a_message_longer_than_the_function_may_work(
    template: dict[str, Any],
) -> None:
    queue = template["Resources"]["UploadQueue"]["Properties"]
    function = template["Globals"]["Function"]["Timeout"]
    assert queue["VisibilityTimeout"] >= 6 * function


UPLOADS = [
    "incoming/meters/labels/train.txt",
    "incoming/meters/LABELS.TXT",
    "incoming/my data/week+46.zip",
    "incoming/meters/SCANS.ZIP",
    "incoming/meters/a/b/scans.tar",
    "incoming/门牌/扫描.tar.gz",
    "incoming/meters/scans.TGZ",
    "golden/general/labels/test.txt",
]
NO_UPLOADS = [
    "incoming/meters/images/1.png",
    "incoming/meters/labels.txt.png",
    "extracted/meters/0123456789abcdef/labels/train.txt",
    "runs/20261122-101545-3fa9c1/labels/train.txt",
    "models/job/output/model.tar.gz",
]


@pytest.mark.parametrize("key", UPLOADS + NO_UPLOADS)
def test_label_files_and_archives_wake_the_reconciler_and_nothing_else(
    template: dict[str, Any], key: str
) -> None:
    payload = event("s3_object_created.json")
    payload["detail"]["object"]["key"] = key
    pattern = template["Resources"]["UploadRule"]["Properties"]["EventPattern"]
    pattern = resolved(pattern, {"Bucket": payload["detail"]["bucket"]["name"]})
    assert matches(pattern, payload) is (key in UPLOADS)


def test_the_rule_fits_into_what_eventbridge_takes(template: dict[str, Any]) -> None:
    pattern = template["Resources"]["UploadRule"]["Properties"]["EventPattern"]
    assert len(json.dumps(resolved(pattern, {"Bucket": "b" * 63}))) <= 2048


def resources_of(template: dict[str, Any], name: str, action: str) -> set[str]:
    return {
        resource["Fn::Sub"]
        for owner, statement in statements(template)
        if owner == name and action in statement["Action"]
        for resource in (
            statement["Resource"]
            if isinstance(statement["Resource"], list)
            else [statement["Resource"]]
        )
        if "Fn::Sub" in resource
    }


def test_only_unpacking_writes_what_was_unpacked(template: dict[str, Any]) -> None:
    unpacked = "${Bucket.Arn}/extracted/*"
    for name in template["Resources"]:
        writes = resources_of(template, name, "s3:PutObject")
        may = name in {"UnpackArchivesFunction", "StartRetrainingFunction"}
        assert (unpacked in writes) is may, name
    assert resources_of(template, "UnpackArchivesFunction", "s3:PutObject") == {unpacked}


@pytest.mark.parametrize("name", ["JobRole", "ValidateDatasetFunction", "SmokeTestFunction"])
def test_unpacked_images_are_read_like_loose_ones(template: dict[str, Any], name: str) -> None:
    read = resources_of(template, name, "s3:GetObject")
    assert {"${Bucket.Arn}/incoming/*", "${Bucket.Arn}/extracted/*"} <= read


def test_a_changed_approval_starts_a_deployment_and_a_new_package_does_not(
    template: dict[str, Any],
) -> None:
    machine = template["Resources"]["DeployStateMachine"]["Properties"]
    pattern = machine["Events"]["ApprovalChanged"]["Properties"]["Pattern"]
    payload = event("model_package_state_change.json")
    pattern = resolved(pattern, {"Prefix": payload["detail"]["ModelPackageGroupName"]})
    payload["detail"]["UpdatedModelPackageFields"] = ["ModelApprovalStatus"]
    assert matches(pattern, payload)
    del payload["detail"]["UpdatedModelPackageFields"]
    assert not matches(pattern, payload)


@pytest.mark.parametrize("name", ["succeeded", "failed"])
def test_the_end_of_a_run_reaches_the_reconciler(template: dict[str, Any], name: str) -> None:
    function = template["Resources"]["StartRetrainingFunction"]["Properties"]
    pattern = function["Events"]["RunEnded"]["Properties"]["Pattern"]
    payload = event(f"step_functions_execution_{name}.json")
    machine = payload["detail"]["stateMachineArn"]
    assert matches(resolved(pattern, {"RetrainStateMachine": machine}), payload)


def test_a_machine_may_share_out_images_among_executions_of_its_own(
    template: dict[str, Any],
) -> None:
    machine = template["Resources"]["RetrainStateMachine"]["Properties"]
    allowed = {
        statement["Sid"]: statement["Resource"]
        for name, statement in statements(template)
        if name == "RetrainStateMachine"
    }
    name = machine["Name"]["Fn::Sub"]
    assert allowed["ShareOutImages"]["Fn::Sub"].endswith(f":stateMachine:{name}")
    text = (ROOT / machine["DefinitionUri"]).read_text(encoding="utf-8")
    label = re.search(r"Label: (\w+)", text)
    assert label is not None
    followed = [each["Fn::Sub"] for each in allowed["FollowSharedOutImages"]]
    assert any(each.endswith(f":execution:{name}/{label[1]}:*") for each in followed)


def test_every_log_group_has_a_retention(template: dict[str, Any]) -> None:
    groups = [
        each["Properties"]
        for each in template["Resources"].values()
        if each["Type"] == "AWS::Logs::LogGroup"
    ]
    functions = [
        each
        for each in template["Resources"].values()
        if each["Type"] == "AWS::Serverless::Function"
    ]
    assert len(groups) == len(functions) + 3
    assert all("RetentionInDays" in each for each in groups)


def test_functions_get_every_variable_that_they_read(template: dict[str, Any]) -> None:
    common = set(template["Globals"]["Function"]["Environment"]["Variables"])
    required = {
        name.upper() for name, field in Settings.model_fields.items() if field.is_required()
    }
    assert required <= common


def variables(template: dict[str, Any], function: str) -> dict[str, Any]:
    properties = template["Resources"][function]["Properties"]
    found: dict[str, Any] = properties["Environment"]["Variables"]
    return found


def test_all_that_reads_labels_normalises_them_by_the_same_rules(template: dict[str, Any]) -> None:
    readers = ("ValidateDatasetFunction", "PlanTrainingFunction", "SmokeTestFunction")
    rules = [variables(template, each)["TEXT_NORMALIZATION"] for each in readers]
    assert rules == [{"Ref": "TextNormalization"}] * 3


@pytest.mark.parametrize(
    ("parameter", "function"),
    [
        ("TextNormalization", "ValidateDatasetFunction"),
        ("GrowDictionary", "ValidateDatasetFunction"),
        ("MinCharacterLines", "ValidateDatasetFunction"),
        ("OnMissingImages", "ValidateDatasetFunction"),
        ("MinNewLines", "StartRetrainingFunction"),
        ("MaxWaitMinutes", "StartRetrainingFunction"),
    ],
)
def test_a_function_without_its_parameters_would_do_as_with_the_defaults(
    template: dict[str, Any], parameter: str, function: str
) -> None:
    (name,) = (
        name for name, value in variables(template, function).items() if value == {"Ref": parameter}
    )
    required = {
        each.upper(): "ocr-retrain"
        for each, field in Settings.model_fields.items()
        if field.is_required()
    }
    default = str(template["Parameters"][parameter]["Default"])
    given = Settings.from_environment({**required, name: default})
    assert given == Settings.from_environment(required)


def test_the_template_lets_through_every_normalisation_and_nothing_else(
    template: dict[str, Any],
) -> None:
    pattern = re.compile(template["Parameters"]["TextNormalization"]["AllowedPattern"])
    for rule in Rule:
        assert pattern.fullmatch(rule)
    assert pattern.fullmatch(",".join(Rule))
    assert pattern.fullmatch("none")
    for wrong in ("", "none,spaces", "nfkc", "compose,", "compose, spaces"):
        assert not pattern.fullmatch(wrong)


@pytest.mark.parametrize(
    ("name", "action", "resource"),
    [
        ("SmokeTestFunction", "sagemaker:DescribeModelPackage", ":model-package/${Prefix}/*"),
        ("FindOutWhyFunction", "sagemaker:ListModelPackages", ":model-package-group/${Prefix}"),
        ("ModelExecutionRole", "cloudwatch:DescribeAlarms", ":alarm:${Prefix}-*"),
    ],
)
def test_what_judges_a_deployment_may_look_at_what_it_judges_by(
    template: dict[str, Any], name: str, action: str, resource: str
) -> None:
    assert any(each.endswith(resource) for each in resources_of(template, name, action))


def test_waiting_for_spot_capacity_fits_into_a_run(template: dict[str, Any]) -> None:
    text = (ROOT / "statemachine" / "retrain.asl.yaml").read_text(encoding="utf-8")
    longest = int(template["Parameters"]["MaxTrainingSeconds"]["MaxValue"])
    assert 2 * longest + 600 < yaml.safe_load(text)["TimeoutSeconds"]


def test_the_smoke_test_is_not_cut_off_while_it_waits_for_a_last_answer(
    template: dict[str, Any],
) -> None:
    text = (ROOT / "statemachine" / "deploy.asl.yaml").read_text(encoding="utf-8")
    state = yaml.safe_load(text)["States"]["Smoke-test endpoint"]
    timeout = template["Resources"]["SmokeTestFunction"]["Properties"]["Timeout"]
    assert MOST_SECONDS + 2 * 70 < timeout < state["TimeoutSeconds"]

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws

from ocr_retrain.errors import UserError
from ocr_retrain.installation import deploying, images, machine, stacks
from ocr_retrain.installation.account import Account
from ocr_retrain.installation.deploying import Deployment, Order
from ocr_retrain.installation.findings import fine
from ocr_retrain.installation.parameters import choose_parameters
from ocr_retrain.installation.sam import run_sam
from ocr_retrain.installation.sources import Device, Image, read_sources
from ocr_retrain.installation.stacks import DeployedStack, delete_stack, ensure_stack, find_stack
from ocr_retrain.main import execute
from ocr_retrain.repository import Repository

from .installing import NUMBER, QUOTAS, REGION, answer_quotas, make_account, make_registry, push

ROOT = Path(__file__).resolve().parents[3]
SIMPLE = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}


@pytest.fixture
def repository() -> Repository:
    return Repository(ROOT)


@pytest.fixture
def account(session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    monkeypatch.setattr(images, "_POLL_SECONDS", 0.0)
    monkeypatch.setattr(stacks, "_POLL_SECONDS", 0.0)
    with mock_aws():
        made = make_account(session)
        # The real one takes seconds to say its version.
        monkeypatch.setattr(machine, "_check_sam", lambda repository: fine("SAM CLI", "there."))
        for module in ("deploy", "images", "destroy", "doctor"):
            monkeypatch.setattr(f"ocr_retrain.commands.{module}.connect_account", lambda: made)
        yield made


class Sam:
    """Stands for the SAM CLI: keeps what it was told, and makes the stack that it would make."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.calls: list[tuple[list[str], dict[str, str]]] = []

    def __call__(
        self,
        repository: Repository,
        command: Sequence[str],
        parameters: Mapping[str, str] | None = None,
    ) -> None:
        self.calls.append((list(command), dict(parameters or {})))
        if command[1] == "deploy":
            names = (parameters or {}).items()
            template = {
                "Parameters": {name: {"Type": "String"} for name, _ in names},
                **SIMPLE,
            }
            self.account.cloudformation.create_stack(
                StackName="ocr-retrain",
                TemplateBody=json.dumps(template),
                Parameters=[
                    {"ParameterKey": name, "ParameterValue": value} for name, value in names
                ],
            )


@pytest.fixture
def sam(account: Account, monkeypatch: pytest.MonkeyPatch) -> Sam:
    made = Sam(account)
    monkeypatch.setattr(deploying, "run_sam", made)
    return made


@pytest.fixture
def registry(account: Account, monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, str]]:
    """The images' stack; moto cannot make a build project from a template."""
    made: list[Mapping[str, str]] = []

    def ensure(
        client: object, name: str, template: Path, values: Mapping[str, str], tell: object
    ) -> DeployedStack:
        made.append(values)
        return make_registry(account)

    monkeypatch.setattr(deploying, "ensure_stack", ensure)
    return made


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    done: list[str] = []
    monkeypatch.setattr(deploying.Deployment, "_serve", lambda self: done.append("served"))
    return done


def _build_at_once(account: Account) -> None:
    def push_image(params: dict[str, Any], **_: object) -> None:
        given = {item["name"]: item["value"] for item in params["environmentVariablesOverride"]}
        push(account, Image(given["IMAGE"]), given["TAG"])

    account.codebuild.meta.events.register("provide-client-params.codebuild.StartBuild", push_image)


def test_a_first_installation_goes_from_nothing_to_a_served_model(
    account: Account,
    sam: Sam,
    registry: list[Mapping[str, str]],
    served: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer_quotas(account, QUOTAS)
    _build_at_once(account)

    status = execute(["deploy", "--yes", "--parameter", "NotificationEmail=ops@example.com"])

    told = capsys.readouterr()
    assert status == 0, told.err
    assert [call[0][1] for call in sam.calls] == ["build", "deploy"]
    given = sam.calls[1][1]
    assert given["NotificationEmail"] == "ops@example.com"
    for image in Image:
        uri = f"{NUMBER}.dkr.ecr.{REGION}.amazonaws.com/ocr-retrain/{image}@sha256:"
        assert given[f"{image.capitalize()}ImageUri"].startswith(uri)
    assert registry[0]["Prefix"] == "ocr-retrain"
    assert served == ["served"]
    assert "--no-confirm-changeset" in sam.calls[1][0]


def test_a_dry_run_shows_every_step_and_changes_nothing(
    account: Account, sam: Sam, capsys: pytest.CaptureFixture[str]
) -> None:
    answer_quotas(account, QUOTAS)

    assert execute(["deploy", "--dry-run"]) == 0

    told = capsys.readouterr().out
    for number, step in enumerate(
        (
            "Create or update stack ocr-retrain-images",
            "Build the training image gpu-",
            "Build the inference image gpu-",
            "Build the functions",
            "Create or update stack ocr-retrain:",
            "Register a base model and deploy the endpoint",
        ),
        start=1,
    ):
        assert f"\n{number}. {step}" in told
    assert "USD a month" in told
    assert sam.calls == []
    assert account.cloudformation.describe_stacks()["Stacks"] == []
    assert account.s3.list_buckets()["Buckets"] == []


def test_a_problem_ends_it_before_anything_is_changed(
    account: Account, sam: Sam, capsys: pytest.CaptureFixture[str]
) -> None:
    answer_quotas(account, {**QUOTAS, "ml.g5.xlarge for training job usage": 0})

    assert execute(["deploy", "--yes"]) == 1

    told = capsys.readouterr()
    assert "✗ quota for training on demand" in told.out
    assert "Nothing was changed." in told.err
    assert sam.calls == []


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_whoever_does_not_agree_changes_nothing(
    account: Account,
    sam: Sam,
    answer: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer_quotas(account, QUOTAS)
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))

    assert execute(["deploy"]) == 1
    assert "Error: Nothing was changed; --yes goes on" in capsys.readouterr().err
    assert sam.calls == []


def test_images_that_are_there_are_not_built_again(
    account: Account,
    sam: Sam,
    repository: Repository,
    served: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stack = make_registry(account)
    monkeypatch.setattr(deploying, "ensure_stack", lambda *_: stack)
    digests = {
        image: push(account, image, read_sources(ROOT, image, Device.GPU).tag) for image in Image
    }
    order = Order("ocr-retrain", {}, "pp-ocrv6-small", confirm=False)
    steps = Deployment(account, repository, order, lambda line: None).steps()

    assert [step.is_needed for step in steps] == [True, False, False, True, True, True]
    for step in steps:
        if step.is_needed:
            step.run()
    assert sam.calls[1][1]["TrainingImageUri"].endswith(digests[Image.TRAINING])
    assert account.codebuild.list_builds()["ids"] == []


def test_images_that_are_given_need_no_registry(account: Account, repository: Repository) -> None:
    uri = f"{NUMBER}.dkr.ecr.{REGION}.amazonaws.com/ocr-retrain/own:1"
    given = {"TrainingImageUri": uri, "InferenceImageUri": uri}
    order = Order("ocr-retrain", given, "tiny", confirm=True)
    steps = Deployment(account, repository, order, lambda line: None).steps()

    assert [step.title.split()[0] for step in steps] == ["Build", "Create", "Register"]
    assert f"TrainingImageUri={uri}" in steps[1].command
    assert "--confirm-changeset" in steps[1].command


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"Colour": "red"}, "Neither template.yaml nor images.yaml has a parameter Colour."),
        ({"MinGain": "7"}, "The parameter MinGain cannot be `7`"),
        ({"BuildMinutes": "1"}, "The parameter BuildMinutes cannot be `1`"),
        ({"Prefix": "Not Valid"}, "The parameter Prefix cannot be `Not Valid`"),
    ],
)
def test_parameters_that_a_template_refuses_are_refused_at_once(
    repository: Repository, given: dict[str, str], told: str
) -> None:
    with pytest.raises(UserError, match=told.replace(".", r"\.")):
        choose_parameters(repository, given)


def _stack(**parameters: str) -> DeployedStack:
    return DeployedStack("ocr-retrain", "UPDATE_COMPLETE", parameters, {})


def test_the_cpu_images_come_with_instances_without_a_gpu(repository: Repository) -> None:
    chosen = choose_parameters(repository, {"Device": "cpu"})

    assert chosen.named["InferenceAmiVersion"] == ""
    assert chosen.named["EndpointInstanceType"] == "ml.c5.xlarge"
    assert chosen.application["TrainingInstanceType"] == "ml.c5.4xlarge"


def test_back_on_gpus_only_what_a_person_chose_stays(repository: Repository) -> None:
    on_cpu = _stack(EndpointInstanceType="ml.m5.4xlarge", TrainingInstanceType="ml.c5.4xlarge")
    chosen = choose_parameters(repository, {"Device": "gpu"}, on_cpu, _stack(Device="cpu"))

    assert chosen.named["EndpointInstanceType"] == "ml.m5.4xlarge"
    assert chosen.named["TrainingInstanceType"] == "ml.g5.xlarge"


def test_the_device_and_the_parameters_of_the_deployed_stack_stay(repository: Repository) -> None:
    chosen = choose_parameters(
        repository,
        {},
        _stack(Prefix="meters", MinGain="0.05"),
        _stack(Prefix="meters", Device="cpu"),
    )

    assert (chosen.prefix, chosen.device) == ("meters", Device.CPU)
    assert chosen.application["MinGain"] == "0.05"
    assert "MinGain" not in chosen.named


def test_images_that_were_named_stay_where_nothing_builds_others(repository: Repository) -> None:
    uri = f"{NUMBER}.dkr.ecr.{REGION}.amazonaws.com/ocr-retrain/own:1"
    deployed = _stack(Prefix="ocr-retrain", TrainingImageUri=uri, InferenceImageUri=uri)

    assert choose_parameters(repository, {}, deployed).given_uri(Image.TRAINING) == uri
    built = choose_parameters(repository, {}, deployed, _stack(Prefix="ocr-retrain"))
    assert built.given_uri(Image.TRAINING) == ""


def test_the_prefix_of_a_deployed_stack_cannot_be_changed(repository: Repository) -> None:
    with pytest.raises(UserError, match="has the Prefix meters, which cannot be changed"):
        choose_parameters(repository, {"Prefix": "other"}, _stack(Prefix="meters"))


def test_a_stack_is_created_then_left_alone_then_updated(account: Account, tmp_path: Path) -> None:
    file = tmp_path / "template.yaml"
    told: list[str] = []

    def ensure() -> DeployedStack:
        return ensure_stack(account.cloudformation, "one", file, {}, told.append)

    file.write_text(json.dumps(SIMPLE))
    assert ensure().status == "CREATE_COMPLETE"
    file.write_text(
        json.dumps({"Resources": {**SIMPLE["Resources"], "Q": {"Type": "AWS::SQS::Queue"}}})
    )
    assert ensure().status == "UPDATE_COMPLETE"
    delete_stack(account.cloudformation, "one", told.append)
    assert find_stack(account.cloudformation, "one") is None


def test_sam_gets_parameters_with_quotes_and_spaces_unharmed(tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    program = root / ".runtimes" / "sam" / "bin" / "sam"
    program.parent.mkdir(parents=True)
    program.write_text(
        f"#!{sys.executable}\nimport pathlib, shutil, sys\n"
        "shutil.copy(sys.argv[-1].removeprefix('file://'), pathlib.Path('given.yaml'))\n"
        "sys.exit(int(sys.argv[1] == 'fail'))\n"
    )
    program.chmod(0o755)
    parameters = {
        "Hyperparameters": '{"epochs": "5"}',
        "InferenceAmiVersion": "",
        "MinGain": "0.10",
    }

    run_sam(Repository(root), ["sam", "deploy"], parameters)
    assert yaml.safe_load((root / "given.yaml").read_text()) == parameters
    with pytest.raises(UserError, match="`sam fail` failed with status 1"):
        run_sam(Repository(root), ["sam", "fail"], parameters)
    shutil.rmtree(root)
    with pytest.raises(UserError, match="sam is missing: run `make setup`"):
        run_sam(Repository(root), ["sam", "build"])


def test_doctor_says_how_to_get_credentials(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)

    assert execute(["doctor", "--cloud", "aws"]) == 1
    told = capsys.readouterr().out
    assert "✗ credentials" in told
    assert "Run `aws configure`" in told


def test_doctor_finds_what_an_earlier_stack_has_left(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    answer_quotas(account, QUOTAS)
    account.sagemaker.create_model_package_group(ModelPackageGroupName="ocr-retrain")
    account.logs.create_log_group(logGroupName="/aws/lambda/ocr-retrain-start-retraining")
    account.logs.create_log_group(logGroupName="/aws/lambda/ocr-retrain-other-start-retraining")

    assert execute(["doctor", "--cloud", "aws"]) == 1
    told = capsys.readouterr().out
    assert "left the model package group ocr-retrain and 1 log groups" in told
    assert "ocr-retrain destroy --stack ocr-retrain --prefix ocr-retrain --delete-data" in told


def test_doctor_finds_repositories_that_were_made_by_hand(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    answer_quotas(account, QUOTAS)
    account.ecr.create_repository(repositoryName="ocr-retrain/training")

    assert execute(["doctor", "--cloud", "aws"]) == 1
    told = capsys.readouterr().out
    assert "aws ecr delete-repository --force --repository-name ocr-retrain/training" in told


def test_doctor_looks_at_the_role_of_scaling_only_where_something_scales(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    role = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
    answer_quotas(account, QUOTAS, times=3)
    levels = []
    for most in ("0", "2", "2"):
        given = f"EndpointMaxInstanceCount={most}"
        assert execute(["doctor", "--cloud", "aws", "--json", "--parameter", given]) == 0
        found = {item["subject"]: item for item in json.loads(capsys.readouterr().out)}
        levels.append(found.get("scaling role", {}).get("level"))
        if levels == [None, "notice"]:
            account.iam.create_role(RoleName=role, AssumeRolePolicyDocument="{}")

    assert levels == [None, "notice", "fine"]


def test_doctor_names_instances_that_the_region_does_not_offer(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    answer_quotas(account, {**QUOTAS, "ml.x9.xlarge for endpoint usage": 2})

    execute(["doctor", "--cloud", "aws", "--parameter", "EndpointInstanceType=ml.x9.xlarge"])
    assert "EC2 offers no ml.x9.xlarge in eu-west-1." in capsys.readouterr().out


def test_doctor_is_content_with_an_account_that_is_ready(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    answer_quotas(account, QUOTAS)

    assert execute(["doctor", "--cloud", "aws", "--json"]) == 0
    findings = {item["subject"]: item["level"] for item in json.loads(capsys.readouterr().out)}
    assert findings["credentials"] == findings["region"] == findings["names"] == "fine"
    assert findings["training image"] == "notice"


def test_the_machine_is_checked_for_the_local_cloud(
    tmp_path: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "memory_bytes", lambda: 10**9)
    found = {item.subject: item for item in machine.check_machine(Repository(tmp_path), tmp_path)}

    assert found["memory"].level == found["runtime training"].level == "problem"
    assert found["runtime training"].fix == "Run `make setup`."
    assert found["Python"].level == found["ports"].level == "fine"
    assert machine.check_python((3, 12, 1)).level == "problem"


def test_a_container_s_limit_is_its_memory(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1073741824\n")
    (tmp_path / "unlimited").write_text("max\n")

    assert machine.memory_bytes([tmp_path / "unlimited", tmp_path / "memory.max"]) == 1024**3
    assert machine.memory_bytes([tmp_path / "unlimited"]) > 1024**3

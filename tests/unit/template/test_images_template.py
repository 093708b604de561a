"""images.yaml: least privilege, immutable images, and a build that is told what it uses."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[3]
OVERRIDES = {"IMAGE", "DEVICE", "TAG", "BASE_IMAGE", "VERSION", "REVISION"}


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml_parse((ROOT / "images.yaml").read_text(encoding="utf-8"))
    return parsed


@pytest.fixture(scope="module")
def commands(template: dict[str, Any]) -> list[str]:
    source = template["Resources"]["ImageBuild"]["Properties"]["Source"]
    phases = yaml.safe_load(source["BuildSpec"])["phases"]
    return [command for phase in phases.values() for command in phase["commands"]]


def test_a_build_may_read_sources_and_push_the_two_images_and_nothing_else(
    template: dict[str, Any],
) -> None:
    (policy,) = template["Resources"]["BuildRole"]["Properties"]["Policies"]
    for statement in policy["PolicyDocument"]["Statement"]:
        actions = statement["Action"]
        assert "*" not in str(actions)
        if statement["Resource"] == "*":
            assert actions == "ecr:GetAuthorizationToken"


@pytest.mark.parametrize("name", ["TrainingRepository", "InferenceRepository"])
def test_images_are_immutable_scanned_encrypted_and_not_kept_for_ever(
    template: dict[str, Any], name: str
) -> None:
    properties = template["Resources"][name]["Properties"]
    assert properties["ImageTagMutability"] == "IMMUTABLE"
    assert properties["ImageScanningConfiguration"] == {"ScanOnPush": True}
    assert properties["EncryptionConfiguration"] == {"EncryptionType": "AES256"}
    text = properties["LifecyclePolicy"]["LifecyclePolicyText"]["Fn::Sub"]
    rules = json.loads(text.replace("${KeepImages}", "30"))["rules"]
    assert [rule["selection"]["tagStatus"] for rule in rules] == ["untagged", "any"]


def test_both_templates_agree_on_the_prefix(template: dict[str, Any]) -> None:
    main = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
    for key in ("Default", "AllowedPattern"):
        assert template["Parameters"]["Prefix"][key] == main["Parameters"]["Prefix"][key]


def test_the_build_uses_only_variables_that_it_is_given(
    template: dict[str, Any], commands: list[str]
) -> None:
    environment = template["Resources"]["ImageBuild"]["Properties"]["Environment"]
    given = {item["Name"] for item in environment["EnvironmentVariables"]} | OVERRIDES
    used = set(re.findall(r"\$\{?([A-Z_]+)", " ".join(commands)))
    assert OVERRIDES <= used <= given


def test_the_build_arguments_are_ones_that_the_dockerfiles_take(commands: list[str]) -> None:
    passed = set(re.findall(r"--build-arg ([A-Z_]+)=", " ".join(commands)))
    assert passed
    for image in ("training", "inference"):
        text = (ROOT / "containers" / image / "Dockerfile").read_text(encoding="utf-8")
        assert passed <= set(re.findall(r"^ARG ([A-Z_]+)", text, re.MULTILINE))


def test_the_build_s_commands_are_a_shell_s(commands: list[str]) -> None:
    for command in commands:
        subprocess.run(["bash", "-n", "-c", command], check=True)


def test_uris_with_digests_are_taken_by_the_main_template() -> None:
    main = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
    uri = f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/ocr-retrain/training@sha256:{'0' * 64}"
    for name in ("TrainingImageUri", "InferenceImageUri"):
        assert re.search(main["Parameters"][name]["AllowedPattern"], uri)

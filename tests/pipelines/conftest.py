"""The definition, made by the SageMaker SDK in its own runtime."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from samtranslator.yaml_helper import yaml_parse
from tests.integration.stack import Stack, running

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".runtimes" / "pipelines" / "bin" / "python"
OUTPUTS = {
    "Prefix": "ocr-retrain",
    "BucketName": "ocr-retrain-data",
    "TableName": "ledger",
    "ModelPackageGroupName": "ocr-retrain",
    "EndpointName": "ocr-retrain",
    "RetrainStateMachineArn": (
        "arn:aws:states:eu-central-1:123456789012:stateMachine:ocr-retrain-retrain"
    ),
    "PipelineMadeFrom": "what the stack says",
    "JobRoleArn": "arn:aws:iam::123456789012:role/ocr-retrain-job",
    "PipelineRoleArn": "arn:aws:iam::123456789012:role/ocr-retrain-pipeline",
}
_MAKE = """
import json, sys
from pipelines.definition import definition
from pipelines.stack import stack_of
given = json.load(sys.stdin)
print(definition(stack_of(given["parameters"], given["outputs"])))
"""


def read_template() -> dict[str, Any]:
    """Read template.yaml; its functions (!Ref and so on) become objects."""
    found: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
    return found


def sdk(*arguments: str, given: str = "", environment: Mapping[str, str] | None = None) -> str:
    """Run Python where the SDK is; returns what it prints. It reaches no AWS."""
    nowhere = {"AWS_DEFAULT_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true"}
    done = subprocess.run(
        [PYTHON, *arguments],
        cwd=ROOT,
        env={**os.environ, **nowhere, **(environment or {})},
        input=given,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def parameters() -> dict[str, str]:
    """The template's defaults, with images and a hyperparameter."""
    template = read_template()
    defaults = {name: str(each.get("Default", "")) for name, each in template["Parameters"].items()}
    local = yaml.safe_load((ROOT / "local" / "parameters.yaml").read_text(encoding="utf-8"))
    images = {name: value for name, value in local.items() if name.endswith("ImageUri")}
    return {**defaults, **images, "Hyperparameters": '{"epochs": 5, "recipe": "head"}'}


@pytest.fixture(scope="session")
def definition(parameters: dict[str, str]) -> dict[str, Any]:
    """The pipeline's definition, as SageMaker would be given it."""
    given = json.dumps({"parameters": parameters, "outputs": OUTPUTS})
    made: dict[str, Any] = json.loads(sdk("-c", _MAKE, given=given))
    return made


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A local cloud whose schedule does not look at a pipeline that it knows nothing of."""
    home = tmp_path_factory.mktemp("local-cloud")
    with running(home, {"ScheduleMinutes": "60"}) as stack:
        yield stack

"""Lint the state machines as AWS will see them: with the template's substitutions filled in.

`cfn-lint` and `sam validate` never open the files that `DefinitionUri` names. This tool does: it
checks that template and definition agree on the substitutions, that every state says why it is
there, runs an Amazon States Language validator, and lints the transformed template with the
definitions inlined.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from cfnlint.api import ManualArgs, lint_by_config
from jsonata import Jsonata
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse
from statelint.config import Config
from statelint.linter import Linter
from statelint.problem import ProblemType

ROOT = Path(__file__).resolve().parent.parent
STATE_MACHINE = "AWS::Serverless::StateMachine"
CONSTANT = re.compile(r"\{% [0-9 +*]+ %\}")
NUMBERS = {"Seconds", "TimeoutSeconds"}
NEWER_READER_FIELDS = {"InputType"}
SAMPLE_ARN = "arn:aws:service:us-east-1:123456789012:resource/name"


def main() -> int:
    """Print every problem; return 1 if there is one."""
    problems = state_machine_problems()
    print("\n".join(problems) or "state machines: no problems", file=sys.stderr)
    return 1 if problems else 0


def state_machine_problems() -> list[str]:
    """Everything that is wrong with the definitions, and with the template that holds them."""
    # samtranslator asks the AWS configuration for a region, whatever it is given.
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    template = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
    problems: list[str] = []
    for logical_id, properties in state_machines(template):
        text = (ROOT / properties["DefinitionUri"]).read_text(encoding="utf-8")
        substitutions = properties.get("DefinitionSubstitutions", {})
        problems += [f"{logical_id}: {p}" for p in substitution_problems(text, substitutions)]
        definition = yaml.safe_load(filled_in(text, substitutions, template["Parameters"]))
        problems += [f"{logical_id}: {p}" for p in definition_problems(definition)]
        del properties["DefinitionUri"], properties["DefinitionSubstitutions"]
        properties["Definition"] = definition
    return problems + transformed_template_problems(template)


def state_machines(template: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Logical id and properties of every state machine in a SAM template."""
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] == STATE_MACHINE:
            yield logical_id, resource["Properties"]


def substitution_problems(text: str, substitutions: Mapping[str, object]) -> list[str]:
    """Names that only the template or only the definition knows."""
    used = {part.split("}", 1)[0] for part in text.split("${")[1:]} - {"..."}
    missing = [f"${{{name}}} has no substitution" for name in sorted(used - set(substitutions))]
    unused = [f"substitution {name} is never used" for name in sorted(set(substitutions) - used)]
    return missing + unused


def filled_in(
    text: str, substitutions: Mapping[str, Any], parameters: Mapping[str, Mapping[str, Any]]
) -> str:
    """The definition with parameter defaults, and sample ARNs for everything else."""
    for name, value in substitutions.items():
        parameter = value.get("Ref") if isinstance(value, dict) else None
        default = parameters.get(parameter or "", {}).get("Default", SAMPLE_ARN)
        text = text.replace(f"${{{name}}}", str(default))
    return text


def definition_problems(definition: dict[str, Any]) -> list[str]:
    """What the validator says, and every state without a reason or a time limit."""
    # Step Functions takes whole numbers for BackoffRate; the specification's text wants a fraction.
    config = Config(ignored_problem_types={ProblemType.FLOAT})
    known = without_newer_fields(with_constants(definition))
    problems: list[str] = list(Linter.validate(known, config))
    for name, state in definition["States"].items():
        if "Comment" not in state:
            problems.append(f"state {name!r} has no Comment that says why it is there")
        if state["Type"] == "Task":
            wanted = ("TimeoutSeconds", "Retry", "Catch")
            problems += [f"task {name!r} has no {key}" for key in wanted if key not in state]
    return problems


def with_constants(value: object) -> object:
    """The definition with expressions such as `{% 60 * 2 %}` replaced by what they come to.

    The validator wants plain numbers where Step Functions also takes an expression; what an
    expression in such a place comes to is only known at run time, so a number stands for it.
    """
    if isinstance(value, dict):
        return {
            key: 1 if key in NUMBERS and is_variable(item) else with_constants(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [with_constants(item) for item in value]
    if isinstance(value, str) and CONSTANT.fullmatch(value):
        return Jsonata(value.removeprefix("{%").removesuffix("%}")).evaluate(None)
    return value


def is_variable(value: object) -> bool:
    """Whether a value is an expression that reads something."""
    return isinstance(value, str) and value.startswith("{%") and not CONSTANT.fullmatch(value)


def without_newer_fields(value: object) -> object:
    """The definition without fields of Distributed Maps that the validator is too old to know."""
    if isinstance(value, dict):
        newer = {"Label"} if value.get("Type") == "Map" else NEWER_READER_FIELDS
        return {key: without_newer_fields(item) for key, item in value.items() if key not in newer}
    if isinstance(value, list):
        return [without_newer_fields(item) for item in value]
    return value


class NoManagedPolicies:
    """Nothing in the template names an AWS managed policy by its short name."""

    def load(self) -> dict[str, str]:
        """Return the known policies, name to ARN: none."""
        return {}


def transformed_template_problems(template: dict[str, Any]) -> list[str]:
    """What cfn-lint says of the plain CloudFormation template with the definitions inlined."""
    # The inlined definitions hold values where the template has parameters.
    unused_parameter = "W2001"
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/code.zip"
    template.get("Globals", {}).get("Function", {}).pop("CodeUri", None)
    values = {"AWS::Region": "us-east-1", "AWS::Partition": "aws", "AWS::StackName": "lint"}
    plain = transform(template, values, NoManagedPolicies())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "template.json")
        path.write_text(json.dumps(plain), encoding="utf-8")
        matches = lint_by_config(
            ManualArgs(
                templates=[str(path)], regions=["us-east-1"], ignore_checks=[unused_parameter]
            )
        )
    return [f"transformed template: {match}" for match in matches]


if __name__ == "__main__":
    sys.exit(main())

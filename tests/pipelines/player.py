"""Plays an execution of a pipeline step by step, with the functions and jobs of a local cloud."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.integration.stack import Stack
from tests.pipelines.document import Step, needs, own_arguments, parse, resolved
from tests.unit.functions.pipeline_cloud import ARN, Execution

from retraining.pipeline_executions import LONGEST_OUTPUT

_KINDS = {"String": str, "Integer": int, "Boolean": bool}
_PATIENCE = 600


class StepFailedError(Exception):
    """A step has failed, as SageMaker would say it."""


@dataclass
class Player:
    """One execution: what its steps have answered so far, and what SageMaker would tell of it."""

    stack: Stack
    definition: Mapping[str, Any]
    arn: str = ARN
    datasets: str = ""
    execution: Execution = field(default_factory=Execution)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)

    def play(self, until: str = "") -> None:
        """Play all steps, or those up to one; raises StepFailedError as the execution fails."""
        for step in self.definition["Steps"]:
            self._play(step)
            if step["Name"] == until:
                return
        self.execution.status = "Succeeded"

    def _play(self, step: Step) -> None:
        assert needs(step) <= set(self.answers), f"{step['Name']} begins too early"
        arguments = resolved(own_arguments(step), self._get)
        if step["Type"] == "Condition":
            holds = all(_holds(each) for each in arguments)
            self.answers[step["Name"]] = {"Outcome": holds}
            for inside in step["Arguments"]["IfSteps" if holds else "ElseSteps"]:
                self._play(inside)
            return
        kinds: dict[str, Callable[[Step, Any], dict[str, Any]]] = {
            "Lambda": self._call,
            "Training": self._train,
            "Processing": self._process,
        }
        try:
            self.answers[step["Name"]] = kinds[step["Type"]](step, arguments)
        except StepFailedError as error:
            self.execution.failed(step["Name"], str(error))
            raise

    def _get(self, reference: str) -> Any:
        if reference == "Execution.PipelineExecutionArn":
            return self.arn
        if reference == "Parameters.Datasets":
            return self.datasets
        name, output, path = parse(reference)
        found: Any = self.answers[name]
        for part in [output] if output else path.split("."):
            found = found[part]
        return found

    def _call(self, step: Step, arguments: Any) -> dict[str, Any]:
        answer = self.stack.client("lambda").invoke(
            FunctionName=step["FunctionArn"], Payload=json.dumps(arguments).encode()
        )
        told = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise StepFailedError(f"{told['errorType']}: {told['errorMessage']}")
        outputs = {each["OutputName"]: told[each["OutputName"]] for each in outputs_of(step)}
        for each in outputs_of(step):
            value = outputs[each["OutputName"]]
            assert type(value) is _KINDS[each["OutputType"]], each
            assert len(str(value)) <= LONGEST_OUTPUT, each
        self.execution.answered(step["Name"], **{name: str(v) for name, v in outputs.items()})
        return outputs

    def _train(self, step: Step, arguments: Any) -> dict[str, Any]:
        name = self._name(arguments.pop("TrainingJobName"))
        sagemaker = self.stack.sagemaker
        sagemaker.create_training_job(TrainingJobName=name, **arguments)
        return _ended(
            lambda: dict(sagemaker.describe_training_job(TrainingJobName=name)),
            "TrainingJobStatus",
        )

    def _process(self, step: Step, arguments: Any) -> dict[str, Any]:
        name = self._name(arguments.pop("ProcessingJobName"))
        sagemaker = self.stack.sagemaker
        sagemaker.create_processing_job(ProcessingJobName=name, **arguments)
        return _ended(
            lambda: dict(sagemaker.describe_processing_job(ProcessingJobName=name)),
            "ProcessingJobStatus",
        )

    def _name(self, prefix: str) -> str:
        return f"{prefix}-{self.arn.rpartition('/')[2]}-{len(self.answers)}"


def outputs_of(step: Step) -> list[dict[str, str]]:
    """Tell what a step takes of its function's answer."""
    found: list[dict[str, str]] = step["OutputParameters"]
    return found


def _holds(condition: Mapping[str, Any]) -> bool:
    assert condition["Type"] == "Equals"
    return bool(condition["LeftValue"] == condition["RightValue"])


def _ended(describe: Callable[[], dict[str, Any]], status: str) -> dict[str, Any]:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        found = describe()
        if found[status] == "Completed":
            return found
        if found[status] in {"Failed", "Stopped"}:
            raise StepFailedError(str(found.get("FailureReason", "")))
        time.sleep(0.5)
    raise StepFailedError("The job takes too long.")

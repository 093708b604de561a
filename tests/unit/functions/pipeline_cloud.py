"""SageMaker as far as executions of a pipeline go, in memory; answers have botocore's shapes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import botocore.session
from botocore.model import StringShape
from botocore.validate import ParamValidator

from .conftest import NOW
from .memory_cloud import refusal

ARN = "arn:aws:sagemaker:eu-central-1:123456789012:pipeline/ocr-retrain/execution/p4jn9xou8a8s"
_MODEL = botocore.session.get_session().get_service_model("sagemaker")


@dataclass
class Execution:
    status: str = "Executing"
    steps: list[dict[str, Any]] = field(default_factory=list)
    reason: str = ""
    changed_at: datetime = NOW

    def answered(self, step: str, **outputs: str) -> None:
        told = [{"Name": name, "Value": value} for name, value in outputs.items()]
        metadata = {"Lambda": {"Arn": "arn:function", "OutputParameters": told}}
        self.steps.append({"StepName": step, "StepStatus": "Succeeded", "Metadata": metadata})

    def failed(self, step: str, reason: str) -> None:
        self.status, self.reason = "Failed", "Step failure: One or multiple steps failed."
        self.steps.append({"StepName": step, "StepStatus": "Failed", "FailureReason": reason})


@dataclass
class PipelineCloud:
    """Stands for the client."""

    executions: dict[str, Execution] = field(default_factory=dict)

    def describe_pipeline_execution(self, *, PipelineExecutionArn: str) -> dict[str, Any]:
        found = self._find(PipelineExecutionArn)
        answer = {
            "PipelineExecutionArn": PipelineExecutionArn,
            "PipelineExecutionStatus": found.status,
            "LastModifiedTime": found.changed_at,
            **({"FailureReason": found.reason} if found.reason else {}),
        }
        return _checked("DescribePipelineExecution", answer)

    def get_paginator(self, name: str) -> "PipelineCloud":
        assert name == "list_pipeline_execution_steps"
        return self

    def paginate(self, *, PipelineExecutionArn: str, SortOrder: str) -> Iterator[dict[str, Any]]:
        assert SortOrder in _enum("SortOrder")
        for step in self._find(PipelineExecutionArn).steps:
            yield _checked("ListPipelineExecutionSteps", {"PipelineExecutionSteps": [step]})

    def _find(self, arn: str) -> Execution:
        if arn not in self.executions:
            raise refusal("ResourceNotFound", "DescribePipelineExecution")
        return self.executions[arn]


def _enum(name: str) -> list[str]:
    shape = _MODEL.shape_for(name)
    assert isinstance(shape, StringShape)
    return shape.enum


def _checked(operation: str, answer: dict[str, Any]) -> dict[str, Any]:
    """Give the answer that SageMaker could have given."""
    shape = _MODEL.operation_model(operation).output_shape
    faults = ParamValidator().validate(answer, shape)
    assert not faults.has_errors(), faults.generate_report()
    return answer

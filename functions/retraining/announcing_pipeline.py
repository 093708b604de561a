"""What the announcing function is given when an execution of the SageMaker pipeline has ended.

EventBridge tells only that it ended; its steps tell what came of it.
https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from retraining.announcing_request import Report, Request, Result
from retraining.outcomes import judge_end
from retraining.pipeline_executions import PipelineExecutions
from retraining.run_request import dataset_names

DETAIL_TYPE = "SageMaker Model Building Pipeline Execution Status Change"


class _Detail(BaseModel):
    model_config = ConfigDict(extra="ignore")

    execution_arn: Annotated[str, Field(alias="pipelineExecutionArn", pattern=r"^arn:[^\s]+$")]
    started_at: Annotated[datetime, Field(alias="executionStartTime")]
    ended_at: Annotated[str, Field(alias="executionEndTime")] = ""


def read(event: Mapping[str, Any], executions: PipelineExecutions) -> Request | None:
    """Ask what came of the execution that the event tells of.

    None when it never became a run, because it was refused the lock: whoever started it is told by
    SageMaker. Raises pydantic's ValidationError when it is no such event.
    """
    detail = _Detail.model_validate(event.get("detail"))
    outputs = executions.outputs(detail.execution_arn)
    run_id = outputs.get("run_id", "")
    described = executions.describe(run_id, detail.execution_arn) if run_id else None
    if described is None or described.ended is None:
        return None
    outcome = judge_end(described.ended)
    return Request(
        machine="retrain",
        execution_arn=detail.execution_arn,
        started_at=detail.started_at,
        entered_at=detail.ended_at,
        run_id=run_id,
        datasets=dataset_names(outputs["datasets"]),
        report=Report(report_uri=outputs.get("report_uri", "")),
        result=Result(outcome=outcome.name, reason=outcome.reason, package_arn=outcome.package_arn),
    )

"""The pipeline: begin a run, train from the champion, evaluate, judge, register.

Every decision is one of the stack's functions, the same that the Retrain state machine calls; the
pipeline holds their order only. SageMaker takes no condition inside another one, so where the state
machine asks a question before it trains, the next step is told the answer and refuses. An execution
starts from the latest approved model, so executions one after the other are the rounds of
incremental training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import boto3
from sagemaker.core.workflow.conditions import ConditionEquals
from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.core.workflow.parameters import ParameterString
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.core.workflow.pipeline_definition_config import PipelineDefinitionConfig
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.steps import Step, StepTypeEnum

from pipelines.jobs import evaluation_request, training_request
from pipelines.stack import Stack
from pipelines.steps import NUMBER, TEXT, TRUTH, FunctionStep, JobStep

# Who presses the button says by that that the upload has come to its end: no image is waited for.
_LONG_AGO = "1970-01-01T00:00:00Z"
_OF_THE_PLAN = (
    "champion_package_arn",
    "champion_model_data",
    "dataset_ids",
    "labels_uri",
    "training_manifest_uri",
    "slices_uri",
    "evaluation_manifest_uri",
    "evaluation_output_uri",
    "checkpoints_uri",
)


def definition(stack: Stack) -> str:
    """Write the pipeline's definition for a stack, as JSON; asks nothing of AWS.

    https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-pipelines.html
    """
    session = PipelineSession(
        boto_session=boto3.Session(region_name=stack.region), default_bucket=stack.settings.bucket
    )
    datasets = ParameterString(name="Datasets", default_value="")
    pipeline = Pipeline(
        name=stack.prefix,
        parameters=[datasets],
        steps=_steps(stack, datasets),
        sagemaker_session=session,
        pipeline_experiment_config=None,
        pipeline_definition_config=PipelineDefinitionConfig(use_custom_job_prefix=True),
    )
    return str(pipeline.definition())


def _steps(stack: Stack, datasets: ParameterString) -> Sequence[Step]:
    begin = FunctionStep(
        "Begin",
        stack.function("begin-pipeline-run"),
        {
            "execution_arn": ExecutionVariables.PIPELINE_EXECUTION_ARN,
            "datasets": datasets,
            "made_from": stack.made_from,
        },
        {"run_id": TEXT, "datasets": TEXT, "started_at": TEXT},
        "Takes the lock that all runs share, with all datasets that wait or those that were named.",
    )
    run = {"run_id": begin["run_id"]}
    unpack = FunctionStep(
        "Unpack",
        stack.function("unpack-archives"),
        {**run, "datasets": begin["datasets"]},
        {"unfinished": TRUTH},
        "Archives among the uploads become images and label files.",
    )
    validate = FunctionStep(
        "Validate",
        stack.function("validate-dataset"),
        {
            **run,
            "datasets": begin["datasets"],
            "started_at": _LONG_AGO,
            "unfinished": unpack["unfinished"],
        },
        {"outcome": TEXT, "reason": TEXT, "image_shards": NUMBER},
        "Reads every label line and image before a GPU is paid for; bad lines are set aside.",
    )
    plan = FunctionStep(
        "Plan",
        stack.function("plan-training"),
        {
            **run,
            "datasets": begin["datasets"],
            "outcome": validate["outcome"],
            "reason": validate["reason"],
            "image_shards": validate["image_shards"],
        },
        dict.fromkeys(_OF_THE_PLAN, TEXT),
        "Finds the champion, picks what is replayed of earlier datasets, writes the manifests.",
    )
    return [begin, unpack, validate, plan, *_train_and_register(stack, begin, plan)]


def _train_and_register(stack: Stack, begin: FunctionStep, plan: FunctionStep) -> list[Step]:
    given = {name: plan[name] for name in _OF_THE_PLAN}
    train = JobStep(
        "Train",
        StepTypeEnum.TRAINING,
        training_request(stack, begin["run_id"], given),
        "Fine-tunes the champion; the only expensive step.",
    )
    model_data = train.properties.ModelArtifacts.S3ModelArtifacts
    evaluate = JobStep(
        "Evaluate",
        StepTypeEnum.PROCESSING,
        evaluation_request(stack, begin["run_id"], given, model_data),
        "Candidate and champion read the same unseen lines.",
    )
    judge = FunctionStep(
        "Judge",
        stack.function("judge-candidate"),
        {"run_id": begin["run_id"]},
        {"promote": TRUTH, "headline": TEXT},
        "The verdict of the state machine: the same function, the same rule, the same limits.",
        after=[evaluate],
    )
    report = FunctionStep(
        "Report",
        stack.function("write-report"),
        {
            "run_id": begin["run_id"],
            "started_at": begin["started_at"],
            "training_job": train.properties.TrainingJobName,
            "evaluation_job": evaluate.properties.ProcessingJobName,
        },
        {"report_uri": TEXT},
        "One file for people: why, where, what the lines look like, what it cost.",
        after=[judge],
    )
    candidate = {
        "run_id": begin["run_id"],
        "model_data": model_data,
        "training_job_name": train.properties.TrainingJobName,
        "report_uri": report["report_uri"],
    }
    better = ConditionStep(
        "IsTheCandidateBetter",
        description="Better on the new lines and not worse on anything that it knew.",
        conditions=[ConditionEquals(left=judge["promote"], right=True)],
        if_steps=[_register(stack, "Register", candidate)],
        else_steps=[_register(stack, "RegisterAsRejected", candidate)],
    )
    return [train, evaluate, judge, report, better]


def _register(stack: Stack, name: str, candidate: Mapping[str, object]) -> FunctionStep:
    return FunctionStep(
        name,
        stack.function("register-model"),
        candidate,
        {"package_arn": TEXT, "approval_status": TEXT},
        "Records the candidate with its metrics and lineage, approved, pending or rejected.",
    )

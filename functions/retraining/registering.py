"""Registers a run's candidate with its lineage, its accuracy and the reason of the verdict."""

from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

from pydantic import BaseModel, ConfigDict, Field

from retraining import s3_layout
from retraining.package_request import Candidate, decide
from retraining.registry import Registry
from retraining.settings import Settings
from retraining.storage import Bucket


class RegisterRequest(BaseModel):
    """What the state machine or the pipeline gives to register a candidate.

    The plan and the verdict are read where the run has left them.
    """

    model_config = ConfigDict(extra="ignore")

    run_id: Annotated[str, Field(min_length=1)]
    model_data: Annotated[str, Field(pattern=r"^s3://")]
    training_job_name: str
    report_uri: str = ""


class Registered(TypedDict):
    """The candidate's place in the registry."""

    package_arn: str
    package_version: int
    approval_status: str


def register_model(
    request: RegisterRequest, bucket: Bucket, registry: Registry, settings: Settings
) -> Registered:
    """Register the candidate of a run; calling it again returns the same package.

    Raises NoSuchObjectError when the run has no plan.json or no verdict.json.
    """
    plan = bucket.read_json(s3_layout.plan(request.run_id))
    verdict = bucket.read_json(s3_layout.verdict(request.run_id))
    candidate = Candidate(
        run_id=request.run_id,
        image=settings.inference_image,
        model_data=request.model_data,
        parent_package_arn=str(plan["champion"]["package_arn"]),
        datasets=[str(each) for each in plan["datasets"]],
        training_job=request.training_job_name,
        dictionary_uri=bucket.uri(s3_layout.candidate_dictionary(request.run_id)),
        evaluation_uri=bucket.uri(s3_layout.evaluation(request.run_id)),
        report_uri=request.report_uri or bucket.uri(s3_layout.verdict(request.run_id)),
        headline=str(verdict["headline"]),
        accuracy=_accuracy(verdict["slices"]),
    )
    approval = decide(
        bool(verdict["promote"]),
        str(verdict["headline"]),
        [str(each) for each in verdict["reasons"]],
        settings.require_approval,
    )
    package = registry.register(candidate, approval)
    return {
        "package_arn": package.arn,
        "package_version": package.version,
        "approval_status": package.approval_status,
    }


def _accuracy(slices: list[Mapping[str, Any]]) -> dict[str, float]:
    names = [str(each["name"]) for each in slices]
    return {
        name if names.count(name) == 1 else f"{each['kind']}-{name}": float(
            each["candidate_exact_match"]
        )
        for name, each in zip(names, slices, strict=True)
    }

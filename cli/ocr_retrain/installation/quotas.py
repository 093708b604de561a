"""Whether the account may run the instances that the parameters name.

Quotas are found by their names, which are the same in every account and region; their codes are
only used to say where to raise them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ocr_retrain.installation.account import Account, error_code, error_message
from ocr_retrain.installation.findings import Finding, fine, notice, problem

if TYPE_CHECKING:
    from mypy_boto3_service_quotas import ServiceQuotasClient
    from mypy_boto3_service_quotas.type_defs import ServiceQuotaTypeDef

_SERVICE = "sagemaker"
_OPEN_REQUESTS = ("PENDING", "CASE_OPENED")


@dataclass(frozen=True)
class Need:
    """Instances that must be allowed at once, and those that are wanted for comfort."""

    quota: str
    purpose: str
    least: int
    better: int
    without: str = ""


@dataclass(frozen=True)
class Quota:
    """A quota as it applies to the account."""

    code: str
    value: float


def needs_of(parameters: Mapping[str, str]) -> list[Need]:
    """Return what a stack with these parameters needs, by the names of the quotas."""
    training = parameters["TrainingInstanceType"]
    trained_on = int(parameters["TrainingInstanceCount"])
    instances = int(parameters["EndpointInstanceCount"])
    most = max(instances, int(parameters["EndpointMaxInstanceCount"]))
    needs = [
        Need(f"{training} for training job usage", "training on demand", trained_on, trained_on),
        Need(
            f"{parameters['EvaluationInstanceType']} for processing job usage", "evaluation", 1, 1
        ),
        Need(
            f"{parameters['EndpointInstanceType']} for endpoint usage",
            "the endpoint",
            most,
            # An update has the old and the new instances for a while.
            2 * most,
            "A new model can then only be deployed after the endpoint was deleted.",
        ),
    ]
    if parameters["UseSpotTraining"] == "true":
        spot = Need(
            f"{training} for spot training job usage",
            "training on spot capacity",
            0,
            trained_on,
            "Training will run on demand, for the full price.",
        )
        needs.insert(1, spot)
    if parameters["TrainingKeepAliveSeconds"] != "0":
        warm = Need(
            f"{training} for training warm pool usage",
            "warm pools",
            0,
            trained_on,
            "Nothing will be kept warm; every job waits for new instances.",
        )
        needs.insert(1, warm)
    return needs


def check_quotas(account: Account, parameters: Mapping[str, str]) -> list[Finding]:
    """Compare the quotas of the account with what the parameters ask for."""
    try:
        quotas = read_quotas(account.quotas)
        asked = _asked_for(account.quotas)
    except ClientError as error:
        return [_not_allowed_to_look(error)]
    return [
        _compare(account.region, need, quotas.get(need.quota), asked.get(need.quota))
        for need in needs_of(parameters)
    ]


def read_quotas(client: ServiceQuotasClient) -> dict[str, Quota]:
    """Return SageMaker's quotas by name: those that apply, else AWS's defaults."""
    defaults = client.get_paginator("list_aws_default_service_quotas")
    applied = client.get_paginator("list_service_quotas")
    quotas: dict[str, Quota] = {}
    for paginator in (defaults, applied):
        for page in paginator.paginate(ServiceCode=_SERVICE):
            quotas |= {item["QuotaName"]: _quota(item) for item in page["Quotas"]}
    return quotas


def _quota(item: ServiceQuotaTypeDef) -> Quota:
    return Quota(item["QuotaCode"], item.get("Value", 0.0))


def _asked_for(client: ServiceQuotasClient) -> dict[str, float]:
    pages = client.get_paginator("list_requested_service_quota_change_history").paginate(
        ServiceCode=_SERVICE
    )
    return {
        item["QuotaName"]: item["DesiredValue"]
        for page in pages
        for item in page["RequestedQuotas"]
        if item.get("Status") in _OPEN_REQUESTS
    }


def _compare(region: str, need: Need, quota: Quota | None, asked: float | None) -> Finding:
    subject = f"quota for {need.purpose}"
    if quota is None:
        return problem(
            subject,
            f"SageMaker knows no quota {need.quota!r} in {region}: it has no such instances there.",
            "Choose another instance type with --parameter, or another region.",
        )
    message = f"{need.quota}: {quota.value:g}, wanted {need.better}."
    if quota.value >= need.better:
        return fine(subject, message)
    if asked is not None and asked >= need.better:
        fix = f"{asked:g} were asked for already; AWS usually answers within a day or two."
    else:
        fix = _how_to_raise(region, quota.code, need.better)
    if quota.value < need.least:
        return problem(subject, message, fix)
    return notice(subject, f"{message} {need.without}", fix)


def _how_to_raise(region: str, code: str, value: int) -> str:
    return (
        f"aws service-quotas request-service-quota-increase --service-code {_SERVICE} "
        f"--quota-code {code} --desired-value {value} --region {region}  (or https://{region}."
        f"console.aws.amazon.com/servicequotas/home/services/{_SERVICE}/quotas/{code})"
    )


def _not_allowed_to_look(error: ClientError) -> Finding:
    return notice(
        "quotas",
        f"They could not be read ({error_code(error)}: {error_message(error)}).",
        "Allow servicequotas:ListServiceQuotas, servicequotas:ListAWSDefaultServiceQuotas and "
        "servicequotas:ListRequestedServiceQuotaChangeHistory, or look at the Service Quotas "
        "console.",
    )

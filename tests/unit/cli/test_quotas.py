from __future__ import annotations

import boto3
import pytest
from botocore.stub import Stubber

from ocr_retrain.installation.findings import Level
from ocr_retrain.installation.quotas import check_quotas, needs_of

from .installing import QUOTAS, answer_quotas, make_account

PARAMETERS = {
    "TrainingInstanceType": "ml.g5.xlarge",
    "TrainingInstanceCount": "1",
    "TrainingKeepAliveSeconds": "0",
    "EvaluationInstanceType": "ml.c5.2xlarge",
    "EndpointInstanceType": "ml.g4dn.xlarge",
    "EndpointInstanceCount": "1",
    "EndpointMaxInstanceCount": "0",
    "UseSpotTraining": "true",
}


def _levels(quotas: dict[str, float], asked: list[tuple[str, float]] | None = None) -> list[str]:
    account = make_account(boto3.Session("a", "b", region_name="eu-west-1"))
    answer_quotas(account, quotas, asked or [])
    return [
        f"{found.level} {found.message} {found.fix}" for found in check_quotas(account, PARAMETERS)
    ]


def test_an_account_that_may_run_all_instances_is_fine() -> None:
    assert [text.split()[0] for text in _levels(QUOTAS)] == ["fine"] * 4


@pytest.mark.parametrize(
    ("name", "value", "level"),
    [
        ("ml.g5.xlarge for training job usage", 0, Level.PROBLEM),
        ("ml.g5.xlarge for spot training job usage", 0, Level.NOTICE),
        ("ml.c5.2xlarge for processing job usage", 0, Level.PROBLEM),
        ("ml.g4dn.xlarge for endpoint usage", 0, Level.PROBLEM),
        ("ml.g4dn.xlarge for endpoint usage", 1, Level.NOTICE),
    ],
)
def test_a_quota_that_is_too_small_is_named_with_the_command_that_raises_it(
    name: str, value: int, level: Level
) -> None:
    (found,) = [text for text in _levels({**QUOTAS, name: value}) if not text.startswith("fine")]

    assert found.startswith(f"{level} {name}: {value}, wanted ")
    code = f"L-{list(QUOTAS).index(name):08}"
    assert "aws service-quotas request-service-quota-increase --service-code sagemaker" in found
    assert f"--quota-code {code} --desired-value " in found
    assert (
        f"eu-west-1.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas/{code}"
        in found
    )


def test_what_was_asked_for_already_is_not_asked_for_again() -> None:
    name = "ml.g5.xlarge for training job usage"
    (found,) = [
        text for text in _levels({**QUOTAS, name: 0}, [(name, 4.0)]) if not text.startswith("fine")
    ]

    assert "4 were asked for already" in found
    assert "request-service-quota-increase" not in found


def test_an_instance_that_the_region_does_not_have_is_a_problem() -> None:
    fewer = {name: value for name, value in QUOTAS.items() if "g4dn" not in name}
    (found,) = [text for text in _levels(fewer) if not text.startswith("fine")]

    assert found.startswith("problem SageMaker knows no quota 'ml.g4dn.xlarge for endpoint usage'")


def test_without_permission_to_look_nothing_is_in_the_way() -> None:
    account = make_account(boto3.Session("a", "b", region_name="eu-west-1"))
    stub = Stubber(account.quotas)
    stub.add_client_error("list_aws_default_service_quotas", "AccessDeniedException", "No.", 403)
    stub.activate()
    (found,) = check_quotas(account, PARAMETERS)

    assert found.level is Level.NOTICE
    assert "servicequotas:ListServiceQuotas" in found.fix


def test_a_scaled_endpoint_needs_all_its_instances_twice_for_an_update() -> None:
    needs = needs_of({**PARAMETERS, "EndpointMaxInstanceCount": "3", "UseSpotTraining": "false"})

    assert [(need.least, need.better) for need in needs if "endpoint" in need.quota] == [(3, 6)]
    assert not [need for need in needs if "spot" in need.quota]


def test_every_instance_of_a_training_is_counted_also_those_that_are_kept_warm() -> None:
    asked = {"TrainingInstanceCount": "2", "TrainingKeepAliveSeconds": "600"}
    needs = needs_of({**PARAMETERS, **asked, "UseSpotTraining": "false"})

    counted = {need.quota: (need.least, need.better) for need in needs if "training" in need.quota}
    assert counted == {
        "ml.g5.xlarge for training job usage": (2, 2),
        "ml.g5.xlarge for training warm pool usage": (0, 2),
    }

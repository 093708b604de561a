from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ocr_retrain.connection import Cloud
from ocr_retrain.main import execute
from ocr_retrain.model_registry import describe_endpoint, latest_approved

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.literals import ModelApprovalStatusType
    from mypy_boto3_sagemaker.type_defs import InferenceSpecificationUnionTypeDef


def _register(cloud: Cloud, approval: ModelApprovalStatusType, **metadata: str) -> str:
    specification: InferenceSpecificationUnionTypeDef = {
        "Containers": [{"Image": "image", "ModelDataUrl": "s3://labelled-data/model.tar.gz"}],
        "SupportedContentTypes": ["image/png"],
        "SupportedResponseMIMETypes": ["application/json"],
    }
    return cloud.sagemaker.create_model_package(
        ModelPackageGroupName=cloud.stack.model_package_group,
        ModelApprovalStatus=approval,
        InferenceSpecification=specification,
        CustomerMetadataProperties=metadata,
    )["ModelPackageArn"]


def _serve(cloud: Cloud, package_arn: str) -> None:
    cloud.sagemaker.create_model(
        ModelName="m",
        PrimaryContainer={"ModelPackageName": package_arn},
        ExecutionRoleArn="arn:aws:iam::210987654321:role/execution",
    )
    cloud.sagemaker.create_endpoint_config(
        EndpointConfigName="c",
        ProductionVariants=[
            {
                "VariantName": "AllTraffic",
                "ModelName": "m",
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 1,
            }
        ],
    )
    cloud.sagemaker.create_endpoint(EndpointName=cloud.stack.endpoint, EndpointConfigName="c")


@pytest.fixture
def packages(connected: Cloud) -> list[str]:
    base = _register(connected, "Approved", source="pp-ocrv4-mobile", sha256="ab")
    better = _register(
        connected,
        "Approved",
        run_id="20261120-091402-3fa9c1",
        parent_package_arn=base,
        datasets="week-46 week-47",
        **{"accuracy/handwriting": "0.8930", "accuracy/general": "0.9210", "accuracy/odd": "?"},
    )
    worse = _register(connected, "Rejected", run_id="20261121-091402-3fa9c2")
    return [base, better, worse]


def test_models_are_listed_newest_first_with_parent_accuracy_and_serving(
    connected: Cloud, packages: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _serve(connected, packages[1])

    assert execute(["models", "--json"]) == 0

    models = json.loads(capsys.readouterr().out)
    assert [model["version"] for model in models] == [3, 2, 1]
    assert [model["serving"] for model in models] == [False, True, False]
    assert [model["parent_version"] for model in models] == [None, 1, None]
    assert models[1]["accuracy"] == {"handwriting": 0.893, "general": 0.921}
    assert models[1]["datasets"] == ["week-46", "week-47"]
    assert models[2]["source"] == "pp-ocrv4-mobile"


def test_models_table_shows_the_same_for_people(
    connected: Cloud, packages: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _serve(connected, packages[1])

    assert execute(["models"]) == 0

    captured = capsys.readouterr()
    row = next(line for line in captured.out.splitlines() if "general 92.1 %" in line)
    assert "Approved" in row
    assert "●" in row
    assert "20261120-091402-3fa9c1" in row
    assert "base pp-ocrv4-mobile" in captured.out
    assert "Endpoint ocr-retrain: InService" in captured.err


def test_no_model_yet_says_what_to_do(connected: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["models"]) == 0
    assert "ocr-retrain bootstrap" in capsys.readouterr().err
    assert execute(["models", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_missing_endpoint_is_none(cloud: Cloud) -> None:
    assert describe_endpoint(cloud.sagemaker, "nothing") is None


def test_latest_approved_skips_newer_rejected_versions(
    connected: Cloud, packages: list[str]
) -> None:
    latest = latest_approved(connected.sagemaker, "ocr-retrain")

    assert latest is not None
    assert latest.arn == packages[1]


def test_reject_keeps_the_reason(
    connected: Cloud, packages: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["reject", "2", "--reason", "Misreads sevens."]) == 0

    package = connected.sagemaker.describe_model_package(ModelPackageName=packages[1])
    assert package["ModelApprovalStatus"] == "Rejected"
    assert package["ApprovalDescription"] == "Misreads sevens."
    assert "Version 2 is Rejected (it was Approved)." in capsys.readouterr().out


def test_approving_what_was_rejected_repeats_why(
    connected: Cloud, packages: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["reject", "2", "--reason", "Misreads sevens."]) == 0
    assert execute(["approve", "2"]) == 0

    assert "It had been rejected because: Misreads sevens." in capsys.readouterr().out


def test_approve_changes_nothing_that_is_approved_already(
    connected: Cloud, packages: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["approve", "3"]) == 0
    assert execute(["approve", "3"]) == 0

    follows = "Version 3 is deployed by itself if it does not serve already."
    assert capsys.readouterr().out.splitlines() == [
        "Version 3 is Approved (it was Rejected).",
        follows,
        "Version 3 is Approved already.",
        follows,
    ]


def test_approving_an_older_version_says_that_the_newer_one_stays_live(
    connected: Cloud, packages: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["approve", "1"]) == 0

    assert (
        "Version 2 stays live: it is newer and approved; reject it or use `ocr-retrain rollback`."
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("version", "follows"),
    [
        ("2", "Version 1 is deployed by itself if it does not serve already."),
        ("1", "Version 2 stays live."),
        ("3", "Version 2 is deployed by itself if it does not serve already."),
    ],
)
def test_rejecting_says_which_version_is_live_then(
    connected: Cloud,
    packages: list[str],
    capsys: pytest.CaptureFixture[str],
    version: str,
    follows: str,
) -> None:
    assert execute(["reject", version, "--reason", "x"]) == 0

    assert follows in capsys.readouterr().out


def test_rejecting_the_only_approved_version_leaves_the_endpoint_as_it_is(
    connected: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    _register(connected, "Approved")

    assert execute(["reject", "1", "--reason", "x"]) == 0

    assert "the endpoint is left as it is" in capsys.readouterr().out


def test_unknown_version_names_the_ones_there_are(
    connected: Cloud, packages: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["approve", "9"]) == 1
    assert "There is no version 9; there are: 3, 2, 1." in capsys.readouterr().err


def test_reject_needs_a_reason(connected: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["reject", "1"]) == 1
    assert "--reason" in capsys.readouterr().err

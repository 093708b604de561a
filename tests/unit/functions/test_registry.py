import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ClientError, ConnectionClosedError
from botocore.stub import Stubber
from moto.sagemaker.models import SageMakerModelBackend

from retraining.package_request import Candidate, create_request, decide
from retraining.registry import Package, Registry

from .conftest import BUCKET, IMAGE, RUN, approved_package, client, put

Invoke = Callable[[str, dict[str, Any]], dict[str, Any]]
_METADATA = re.compile(r"[\w .:/=+\-@]*")


def candidate(**changes: object) -> Candidate:
    fields: dict[str, Any] = {
        "run_id": RUN,
        "image": IMAGE,
        "model_data": f"s3://{BUCKET}/models/job/output/model.tar.gz",
        "parent_package_arn": "arn:aws:sagemaker:eu-central-1:123456789012:model-package/g/1",
        "datasets": ["handwriting", "meters"],
        "training_job": f"ocr-retrain-{RUN}-train-1",
        "dictionary_uri": f"s3://{BUCKET}/runs/{RUN}/evaluation/dict.txt",
        "evaluation_uri": f"s3://{BUCKET}/runs/{RUN}/evaluation/evaluation.json",
        "report_uri": f"s3://{BUCKET}/runs/{RUN}/verdict.json",
        "headline": "Promoted: 91.5 % of the new lines (200) are read exactly; good.",
        "accuracy": {"handwriting": 0.915},
    }
    return Candidate(**{**fields, **changes})


def summary(version: int, hour: int, status: str = "Completed") -> dict[str, Any]:
    return {
        "ModelPackageGroupName": "g",
        "ModelPackageVersion": version,
        "ModelPackageArn": f"arn:aws:sagemaker:eu-central-1:123456789012:model-package/g/{version}",
        "CreationTime": datetime(2026, 11, 22, hour, tzinfo=UTC),
        "ModelPackageStatus": status,
        "ModelApprovalStatus": "Approved",
    }


def describe(stub: Stubber, version: int) -> None:
    arn = summary(version, 1)["ModelPackageArn"]
    about = {
        "ModelPackageName": "g",
        "ModelPackageArn": arn,
        "ModelPackageVersion": version,
        "CreationTime": datetime(2026, 11, 22, tzinfo=UTC),
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": []},
        "ModelApprovalStatus": "Approved",
    }
    stub.add_response("describe_model_package", about, {"ModelPackageName": arn})


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        ([[], [], [summary(3, 5), summary(2, 4)]], 3),
        ([[summary(4, 9, "Failed")], [summary(3, 5)]], 3),
        ([[summary(2, 5)], [summary(3, 5), summary(1, 1)]], 3),
    ],
    ids=["empty filtered pages", "failed package", "same moment"],
)
def test_the_champion_is_found_on_whatever_page_it_is(
    environment: None, pages: list[list[dict[str, Any]]], expected: int
) -> None:
    service = client("sagemaker")
    with Stubber(service) as stub:
        for number, page in enumerate(pages):
            answer: dict[str, Any] = {"ModelPackageSummaryList": page}
            if number + 1 < len(pages):
                answer["NextToken"] = f"token{number}"
            stub.add_response("list_model_packages", answer)
        describe(stub, expected)
        found = Registry(service, "g").latest_approved()
    assert found is not None
    assert found.version == expected


def test_only_approved_packages_are_champions(clients: ModuleType) -> None:
    approved_package()
    second = approved_package(version_data="v2")
    approved_package(version_data="v3", status="Rejected")
    approved_package(version_data="v4", status="PendingManualApproval")
    champion = clients.registry().champion()
    assert (champion.arn, champion.version) == (second, 2)
    assert champion.model_data.endswith("models/v2/output/model.tar.gz")


@pytest.fixture(autouse=True)
def updates_keep_what_they_do_not_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """SageMaker changes only the named fields of a package; moto clears the others."""
    update = SageMakerModelBackend.update_model_package

    def merging(self: SageMakerModelBackend, **request: Any) -> str:
        package = self.describe_model_package(request["model_package_arn"])
        for name in ("model_approval_status", "customer_metadata_properties"):
            request[name] = request[name] or getattr(package, name)
        return str(update(self, **request))

    monkeypatch.setattr(SageMakerModelBackend, "update_model_package", merging)


def register(
    invoke: Invoke, promote: bool, reasons: list[str] | None = None, **more: str
) -> dict[str, Any]:
    slices = [
        {"name": "meters", "kind": "new", "candidate_exact_match": 0.915},
        {"name": "general", "kind": "golden", "candidate_exact_match": 0.98},
        {"name": "same", "kind": "golden", "candidate_exact_match": 0.5},
        {"name": "same", "kind": "old", "candidate_exact_match": 0.25},
    ]
    verdict = {
        "promote": promote,
        "headline": "91.5 % are read exactly (before: 49.0 %).",
        "reasons": reasons or ["Because."],
        "slices": slices,
    }
    put(f"runs/{RUN}/verdict.json", json.dumps(verdict))
    plan = {"datasets": ["meters"], "champion": {"package_arn": "arn:parent/1"}}
    put(f"runs/{RUN}/plan.json", json.dumps(plan))
    return invoke(
        "register_model",
        {
            "run_id": RUN,
            "model_data": f"s3://{BUCKET}/models/job/output/model.tar.gz",
            "training_job_name": f"ocr-retrain-{RUN}-train-1",
            **more,
        },
    )


def package(arn: str) -> dict[str, Any]:
    return dict(client("sagemaker").describe_model_package(ModelPackageName=arn))


@pytest.mark.parametrize(("promote", "status"), [(True, "Approved"), (False, "Rejected")])
def test_a_candidate_is_registered_with_lineage_and_reason(
    invoke: Invoke, promote: bool, status: str
) -> None:
    approved_package()
    answer = register(invoke, promote)
    assert answer["approval_status"] == status
    assert answer["package_version"] == 2
    about = package(answer["package_arn"])
    assert about["ModelApprovalStatus"] == status
    assert about["ApprovalDescription"] == "91.5 % are read exactly (before: 49.0 %). Because."
    assert about["CustomerMetadataProperties"] == {
        "run_id": RUN,
        "parent_package_arn": "arn:parent/1",
        "datasets": "meters",
        "training_job": f"ocr-retrain-{RUN}-train-1",
        "dictionary_uri": f"s3://{BUCKET}/runs/{RUN}/evaluation/dict.txt",
        "headline": "91.5 percent are read exactly before: 49.0 percent .",
        "report": f"s3://{BUCKET}/runs/{RUN}/verdict.json",
        "accuracy/meters": "0.9150",
        "accuracy/general": "0.9800",
        "accuracy/golden-same": "0.5000",
        "accuracy/old-same": "0.2500",
    }
    statistics = about["ModelMetrics"]["ModelQuality"]["Statistics"]
    assert statistics["S3Uri"] == f"s3://{BUCKET}/runs/{RUN}/evaluation/evaluation.json"
    container = about["InferenceSpecification"]["Containers"][0]
    assert container["Image"] == IMAGE


def test_registering_a_run_again_returns_the_same_package(invoke: Invoke) -> None:
    approved_package()
    first = register(invoke, True)
    approved_package(version_data="v9")
    assert register(invoke, True) == first


def test_a_registration_that_died_half_way_is_completed(invoke: Invoke) -> None:
    request = create_request("ocr-retrain", candidate(), "Approved")
    arn = client("sagemaker").create_model_package(**request)["ModelPackageArn"]
    assert register(invoke, True) == {
        "package_arn": arn,
        "package_version": 1,
        "approval_status": "Approved",
    }
    assert package(arn)["ApprovalDescription"].startswith("91.5 %")


def test_a_registration_whose_answer_was_lost_makes_no_second_version(
    invoke: Invoke, clients: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = clients.sagemaker().create_model_package

    def lose(**given: Any) -> None:
        create(**given)
        raise ConnectionClosedError(endpoint_url="https://sagemaker")

    monkeypatch.setattr(clients.sagemaker(), "create_model_package", lose)
    with pytest.raises(ConnectionClosedError):
        register(invoke, True)
    monkeypatch.undo()
    answer = register(invoke, True)
    assert answer["package_version"] == 1
    listed = client("sagemaker").list_model_packages(ModelPackageGroupName="ocr-retrain")
    assert len(listed["ModelPackageSummaryList"]) == 1


def test_a_package_that_is_deleted_while_one_looks_is_not_the_champion(
    clients: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, first, second = clients.registry(), approved_package(), approved_package()
    describe = registry.describe

    def describe_late(arn: str) -> Package:
        if arn == second:
            client("sagemaker").update_model_package(
                ModelPackageArn=second, ModelApprovalStatus="Rejected"
            )
            message = f"ModelPackage {arn} does not exist."
            error = {"Code": "ValidationException", "Message": message}
            raise ClientError({"Error": error}, "DescribeModelPackage")
        found: Package = describe(arn)
        return found

    monkeypatch.setattr(registry, "describe", describe_late)
    assert registry.champion().arn == first


def test_a_registry_that_throttles_is_asked_again(
    clients: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = approved_package()
    answers = [b'{"__type": "ThrottlingException", "message": "Rate exceeded"}'] * 3

    def throttle(request: AWSPreparedRequest, **_: object) -> AWSResponse | None:
        if not answers:
            return None
        raw = SimpleNamespace(stream=lambda: iter([answers.pop()]))
        return AWSResponse(request.url, 400, {}, raw)

    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    events, name = clients.sagemaker().meta.events, "before-send.sagemaker.ListModelPackages"
    events.register_first(name, throttle)
    try:
        assert clients.registry().champion().arn == arn
    finally:
        events.unregister(name, throttle)
    assert answers == []


@pytest.mark.parametrize(
    ("report", "kept"),
    [
        (f"s3://{BUCKET}/runs/{RUN}/report.html", f"s3://{BUCKET}/runs/{RUN}/report.html"),
        ("", f"s3://{BUCKET}/runs/{RUN}/verdict.json"),
    ],
)
def test_the_package_links_to_the_report_when_there_is_one(
    invoke: Invoke, report: str, kept: str
) -> None:
    arn = register(invoke, True, report_uri=report)["package_arn"]
    assert package(arn)["CustomerMetadataProperties"]["report"] == kept


def test_giving_the_reason_is_no_change_of_the_approval(
    invoke: Invoke, clients: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    updates: list[dict[str, Any]] = []
    sagemaker = clients.sagemaker()
    monkeypatch.setattr(sagemaker, "update_model_package", lambda **given: updates.append(given))
    register(invoke, True)
    assert [set(each) for each in updates] == [{"ModelPackageArn", "ApprovalDescription"}]


def test_a_person_s_decision_is_not_overruled_by_a_repeated_registration(
    invoke: Invoke,
) -> None:
    first = register(invoke, True)
    client("sagemaker").update_model_package(
        ModelPackageArn=first["package_arn"],
        ModelApprovalStatus="Rejected",
        ApprovalDescription="I do not like it.",
    )
    assert register(invoke, True)["approval_status"] == "Rejected"


def test_approval_by_hand_leaves_the_package_pending() -> None:
    assert decide(True, "Good.", [], True).status == "PendingManualApproval"
    assert decide(False, "Bad.", [], True).status == "Rejected"


def test_a_long_reason_is_cut_to_what_sagemaker_takes() -> None:
    assert len(decide(False, "Bad.", ["word " * 500], False).reason) == 1024
    assert "\n" not in decide(False, "a\nb", [], False).reason


def test_metadata_stays_within_sagemaker_s_limits() -> None:
    many = {f"slice {number} (ä) {'x' * 150}": 0.5 for number in range(80)}
    request = create_request(
        "g", candidate(datasets=[f"dataset-{n}" for n in range(100)], accuracy=many), "Approved"
    )
    properties = request["CustomerMetadataProperties"]
    # One is left for what the smoke test says later.
    assert len(properties) == 49
    assert all(1 <= len(key) <= 128 and _METADATA.fullmatch(key) for key in properties)
    assert all(
        1 <= len(value) <= 256 and _METADATA.fullmatch(value) for value in properties.values()
    )
    assert len(request["ModelPackageDescription"]) <= 1024
    assert re.fullmatch(r"[a-zA-Z0-9-]{1,36}", request["ClientToken"])


def test_a_request_is_the_same_every_time() -> None:
    assert create_request("g", candidate(), "Rejected") == create_request(
        "g", candidate(), "Rejected"
    )

import io
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.response import StreamingBody
from botocore.stub import Stubber

from retraining.deployment import Decision, find_approved
from retraining.endpoint import look_up
from retraining.ledger import Ledger
from retraining.model_data import has_artefact
from retraining.normalization import Normalization
from retraining.package_request import SMOKE_TESTED
from retraining.smoke import MOST_SECONDS, EndpointReader, SmokeTest, required_share, smoke_test
from retraining.storage import Bucket, StoredObject

from .conftest import BUCKET, IMAGE, NOW, approved_package, client, get, png, put
from .test_plan_training import trained

Invoke = Callable[[str, dict[str, Any]], dict[str, Any]]
ENDPOINT = "ocr-retrain"


def decide(clients: ModuleType, **settings: object) -> Decision:
    return find_approved(
        clients.registry(),
        clients.sagemaker(),
        clients.cloudwatch(),
        clients.bucket(),
        clients.settings().model_copy(update=settings),
        now=lambda: NOW,
        token=lambda: "beef",
    )


def deploy(model: str, package: str, config: str = "ocr-retrain-v1-20261122101545-beef") -> None:
    service = client("sagemaker")
    service.create_model(
        ModelName=model,
        PrimaryContainer={"ModelPackageName": package} if package else {"Image": IMAGE},
        ExecutionRoleArn="arn:aws:iam::123456789012:role/model",
    )
    service.create_endpoint_config(
        EndpointConfigName=config,
        ProductionVariants=[
            {
                "VariantName": "AllTraffic",
                "ModelName": model,
                "InstanceType": "ml.g4dn.xlarge",
                "InitialInstanceCount": 1,
            }
        ],
    )
    service.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=config)


def set_status(status: str) -> None:
    from moto.sagemaker.models import sagemaker_backends

    backend = sagemaker_backends["123456789012"]["eu-central-1"]
    backend.endpoints[ENDPOINT].endpoint_status = status


def test_nothing_approved_means_nothing_to_deploy(invoke: Invoke) -> None:
    approved_package(status="PendingManualApproval")
    decision = invoke("find_approved", {})
    assert decision["decision"] == "nothing_approved"
    assert decision["endpoint_exists"] is False
    assert "approved" in decision["why"]


def test_the_first_approved_model_gets_an_endpoint(clients: ModuleType) -> None:
    arn = approved_package()
    decision = decide(clients)
    assert decision["decision"] == "deploy"
    assert (decision["endpoint_exists"], decision["endpoint_status"]) == (False, "")
    assert (decision["package_arn"], decision["package_version"]) == (arn, 1)
    assert decision["model_name"].startswith("ocr-retrain-v1-")
    assert len(decision["model_name"]) == len("ocr-retrain-v1-") + 8
    assert decision["config_name"] == "ocr-retrain-v1-20261122101545-beef"
    assert decision["endpoint_name"] == ENDPOINT


def test_the_latest_model_is_not_deployed_twice(clients: ModuleType) -> None:
    arn = approved_package()
    deploy(decide(clients)["model_name"], arn)
    assert decide(clients)["decision"] == "already_serving"


def test_a_newer_model_is_deployed_and_a_rejected_one_rolled_back(clients: ModuleType) -> None:
    first = approved_package()
    deploy(decide(clients)["model_name"], first)
    second = approved_package(version_data="v2")
    decision = decide(clients)
    assert (decision["decision"], decision["package_arn"]) == ("deploy", second)
    assert decision["endpoint_exists"] is True
    client("sagemaker").update_model_package(ModelPackageArn=second, ModelApprovalStatus="Rejected")
    assert decide(clients)["decision"] == "already_serving"


def test_a_model_made_by_hand_from_the_package_serves_it(clients: ModuleType) -> None:
    deploy("by-hand", approved_package())
    assert decide(clients)["decision"] == "already_serving"


def test_a_package_of_a_group_made_anew_is_not_taken_for_the_old_one(clients: ModuleType) -> None:
    deploy("ocr-retrain-v1-00000000", approved_package())
    assert decide(clients)["decision"] == "deploy"


def test_an_endpoint_that_serves_something_else_is_updated(clients: ModuleType) -> None:
    approved_package()
    deploy("other", "")
    assert decide(clients)["decision"] == "deploy"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"endpoint_instance_type": "ml.g5.xlarge"}, "on ml.g4dn.xlarge instead of ml.g5.xlarge"),
        ({"endpoint_instance_count": 2}, "on 1 instances instead of 2"),
    ],
)
def test_an_endpoint_on_other_instances_than_the_template_says_is_updated(
    clients: ModuleType, settings: dict[str, object], why: str
) -> None:
    arn = approved_package()
    deploy(decide(clients)["model_name"], arn)
    decision = decide(clients, **settings)
    assert decision["decision"] == "deploy"
    assert why in decision["why"]
    assert why in decision["notice"]


def test_instances_that_its_load_asked_for_are_no_difference(clients: ModuleType) -> None:
    arn = approved_package()
    deploy(decide(clients)["model_name"], arn)
    scaled = decide(clients, endpoint_instance_count=2, endpoint_max_instance_count=4)
    assert scaled["decision"] == "already_serving"


def test_a_second_variant_put_beside_ours_by_hand_is_a_difference(clients: ModuleType) -> None:
    arn = approved_package()
    model = decide(clients)["model_name"]
    deploy(model, arn)
    variant = {"ModelName": model, "InstanceType": "ml.g4dn.xlarge", "InitialInstanceCount": 1}
    service = client("sagemaker")
    service.create_endpoint_config(
        EndpointConfigName="two",
        ProductionVariants=[{**variant, "VariantName": name} for name in ("AllTraffic", "Other")],
    )
    service.delete_endpoint(EndpointName=ENDPOINT)
    service.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName="two")
    decision = decide(clients)
    assert decision["decision"] == "deploy"
    assert "changed by hand: it used the configuration two" in decision["notice"]


def test_a_version_without_its_artefact_cannot_be_deployed(clients: ModuleType) -> None:
    approved_package(version_data="lost", artefact=False)
    decision = decide(clients)
    assert decision["decision"] == "unusable"
    assert f"s3://{BUCKET}/models/lost/output/model.tar.gz" in decision["why"]


def test_an_artefact_that_may_not_be_looked_for_is_left_to_sagemaker(clients: ModuleType) -> None:
    approved_package()
    moved = replace(
        clients.registry().champion(), model_data=f"s3://{BUCKET}/elsewhere/model.tar.gz"
    )
    assert has_artefact(moved, clients.bucket())


def test_a_variant_without_a_model_serves_no_package() -> None:
    service = client("sagemaker")
    with Stubber(service) as stub:
        about = {"EndpointName": ENDPOINT, "EndpointArn": "arn:aws:sagemaker:::endpoint/x"}
        times = {"CreationTime": NOW, "LastModifiedTime": NOW}
        status = {"EndpointStatus": "InService", "EndpointConfigName": "components"}
        stub.add_response("describe_endpoint", {**about, **times, **status})
        config = {
            "EndpointConfigName": "components",
            "EndpointConfigArn": "arn:aws:sagemaker:::endpoint-config/components",
            "ProductionVariants": [{"VariantName": "AllTraffic"}],
            "CreationTime": NOW,
        }
        stub.add_response("describe_endpoint_config", config)
        found = look_up(service, ENDPOINT)
    assert (found.variants, found.model_name, found.package_arn) == (1, "", "")


def test_a_raised_alarm_does_not_watch_over_the_deployment_that_may_end_it(
    clients: ModuleType,
) -> None:
    approved_package()
    for name in ("errors", "latency"):
        client("cloudwatch").put_metric_alarm(
            AlarmName=name,
            Namespace="AWS/SageMaker",
            MetricName="Invocation5XXErrors",
            Statistic="Average",
            Period=60,
            EvaluationPeriods=1,
            Threshold=0.05,
            ComparisonOperator="GreaterThanThreshold",
        )
    client("cloudwatch").set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="x")
    policy = decide(clients, rollback_alarms=("errors", "latency", "gone"))["update_policy"]
    assert policy["AutoRollbackConfiguration"] == {"Alarms": [{"AlarmName": "latency"}]}


def test_a_deleted_model_does_not_stop_a_deployment(
    clients: ModuleType,
) -> None:
    approved_package()
    deploy("by-hand", "")
    client("sagemaker").delete_model(ModelName="by-hand")
    assert decide(clients)["decision"] == "deploy"


@pytest.mark.parametrize(
    "status", ["Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"]
)
def test_an_endpoint_that_is_changing_is_busy(clients: ModuleType, status: str) -> None:
    deploy("by-hand", approved_package())
    set_status(status)
    decision = decide(clients)
    assert (decision["decision"], decision["endpoint_status"]) == ("busy", status)


def test_a_failed_endpoint_is_to_be_made_again(clients: ModuleType) -> None:
    deploy("by-hand", approved_package())
    set_status("Failed")
    decision = decide(clients)
    assert (decision["decision"], decision["endpoint_exists"]) == ("deploy", True)
    assert "deleted and made again" in decision["why"]


# --- smoke test


class Endpoint:
    """Answers for the endpoint with one text per image."""

    def __init__(self, texts: dict[bytes, str], raw: bytes | None = None) -> None:
        self.texts, self.raw, self.types = texts, raw, set[str]()

    def invoke_endpoint(self, **request: Any) -> dict[str, StreamingBody]:
        self.types.add(request["ContentType"])
        text = self.texts.get(request["Body"], "")
        box = [[0, 0], [1, 0], [1, 1], [0, 1]]
        prediction = {"box": box, "text": text, "confidence": 0.9}
        answer = self.raw or json.dumps({"predictions": [prediction]}).encode()
        return {"Body": StreamingBody(io.BytesIO(answer), len(answer))}


def golden(count: int) -> dict[bytes, str]:
    rows = []
    for number in range(count):
        put(f"golden/general/images/{number}.png", png(number))
        rows.append(f"images/{number}.png\tline {number}\n")
    put("golden/general/labels/test.txt", "".join(rows))
    return {png(number): f"line {number}" for number in range(count)}


def check(endpoint: object, clients: ModuleType, minimum: float = 0.5) -> SmokeTest:
    clients.golden_keeper().refresh()
    reader = EndpointReader(endpoint, ENDPOINT)  # type: ignore[arg-type]
    rules = Normalization.parse("compose,spaces")
    return smoke_test(reader, clients.bucket(), clients.ledger(), minimum, rules)


def test_an_endpoint_that_reads_the_golden_lines_passes(clients: ModuleType) -> None:
    endpoint = Endpoint(golden(25))
    result = check(endpoint, clients)
    assert result == {
        "passed": True,
        "lines": 20,
        "right": 20,
        "why": "The endpoint reads 20 of 20 known lines exactly.",
    }
    assert endpoint.types == {"image/png"}


def test_an_endpoint_that_reads_too_little_fails(clients: ModuleType) -> None:
    texts = golden(10)
    wrong = {image: text for image, text in texts.items() if text in {"line 1", "line 2"}}
    result = check(Endpoint(wrong), clients)
    assert (result["passed"], result["right"]) == (False, 2)
    assert "at least 50%" in result["why"]


@pytest.mark.parametrize("raw", [b"oops", b"{}", b'{"predictions": [{"text": 1}]}', b"\xff"])
def test_a_malformed_answer_fails_with_the_line_it_was_for(clients: ModuleType, raw: bytes) -> None:
    golden(2)
    result = check(Endpoint({}, raw), clients)
    assert result["passed"] is False
    assert f"s3://{BUCKET}/golden/general/images/" in result["why"]


def test_an_endpoint_that_answers_with_an_error_fails(clients: ModuleType) -> None:
    golden(2)
    service = client("sagemaker-runtime")
    with Stubber(service) as stub:
        stub.add_client_error("invoke_endpoint", "ModelError", "Received server error (500)")
        result = check(service, clients)
    assert result["passed"] is False
    assert "Received server error" in result["why"]


def test_without_a_golden_set_held_out_lines_are_read(clients: ModuleType, ledger: Ledger) -> None:
    trained(ledger, "plates", 2, 3)
    result = check(Endpoint({}), clients)
    assert (result["passed"], result["lines"], result["right"]) == (False, 3, 0)


def test_boxes_of_pages_are_not_asked_for_as_if_they_were_the_page(clients: ModuleType) -> None:
    golden(2)
    put("golden/pages/page.png", png(9, (80, 60)))
    box = [{"transcription": "x", "points": [[2, 2], [40, 2], [40, 20], [2, 20]]}]
    put("golden/pages/Label.txt", f"page.png\t{json.dumps(box)}\n")
    assert check(Endpoint({}), clients)["lines"] == 2


def test_held_out_images_that_are_gone_since_are_not_asked_for(
    clients: ModuleType, ledger: Ledger
) -> None:
    trained(ledger, "plates", 2, 3)
    client("s3").delete_object(Bucket=BUCKET, Key="incoming/plates/images/holdout-1.png")
    assert check(Endpoint({}), clients)["lines"] == 2


def test_golden_lines_are_compared_as_the_model_learnt_them(clients: ModuleType) -> None:
    put("golden/general/images/0.png", png(0))
    put("golden/general/labels/test.txt", "images/0.png\tCafe\u0301\u00a01\n")
    assert check(Endpoint({png(0): "Caf\u00e9 1"}), clients)["right"] == 1


def test_held_out_lines_are_compared_as_the_model_learnt_them(
    clients: ModuleType, ledger: Ledger
) -> None:
    trained(ledger, "plates", 1, 1)
    (dataset,) = ledger.datasets()
    bucket = clients.bucket()
    key = bucket.key(dataset.trained_holdout_uri)
    put(key, get(key).replace("\t0", "\tCafe\u0301"))
    assert check(Endpoint({b"image": "Caf\u00e9"}), clients)["right"] == 1


def test_no_more_images_are_looked_for_than_are_asked(
    clients: ModuleType, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(ledger, "plates", 1, 3)
    trained(ledger, "meters-2", 1, 30)
    looked: list[str] = []
    head = Bucket.head

    def counted(bucket: Bucket, key: str) -> StoredObject | None:
        looked.append(key)
        return head(bucket, key)

    monkeypatch.setattr(Bucket, "head", counted)
    assert check(Endpoint({}), clients)["lines"] == 20
    assert len([key for key in looked if key.startswith("incoming/plates/")]) == 3
    assert len(looked) == 20


@pytest.mark.parametrize(
    ("metadata", "share"),
    [
        ({"accuracy/new": "0.9000", "accuracy/golden-new": "0.1000", "accuracy/x": "?"}, 0.05),
        ({"run_id": "base"}, 0.0),
    ],
)
def test_no_more_is_asked_than_a_part_of_what_the_evaluation_measured(
    metadata: dict[str, str], share: float
) -> None:
    assert required_share(metadata, 0.5) == pytest.approx(share)


def test_a_base_model_only_has_to_answer(clients: ModuleType) -> None:
    golden(3)
    result = check(Endpoint({}), clients, required_share({}, 0.5))
    assert (result["passed"], result["right"]) == (True, 0)


def test_an_endpoint_that_never_answers_fails(clients: ModuleType) -> None:
    golden(1)

    class Silent:
        def invoke_endpoint(self, **request: Any) -> None:
            raise ReadTimeoutError(endpoint_url="https://runtime")

    result = check(Silent(), clients)
    assert result["passed"] is False
    assert "did not answer in time" in result["why"]


def test_an_endpoint_that_is_too_slow_fails(clients: ModuleType) -> None:
    endpoint = Endpoint(golden(4))
    clients.golden_keeper().refresh()
    reader = EndpointReader(endpoint, ENDPOINT)  # type: ignore[arg-type]
    moments = itertools.count(0, MOST_SECONDS // 2 + 1)
    result = smoke_test(
        reader, clients.bucket(), clients.ledger(), 0, Normalization(), lambda: float(next(moments))
    )
    assert (result["passed"], result["right"]) == (False, 1)
    assert "too slow: 1 of 4 lines in 150 s" in result["why"]


def test_with_nothing_to_read_an_answer_for_a_blank_image_is_enough(clients: ModuleType) -> None:
    result = check(Endpoint({}), clients)
    assert (result["passed"], result["lines"]) == (True, 0)
    assert "golden set" in result["why"]
    assert check(Endpoint({}, b"oops"), clients)["passed"] is False


def test_the_handler_answers_with_plain_json(invoke: Invoke, clients: ModuleType) -> None:
    golden(1)
    clients.golden_keeper().refresh()
    with Stubber(clients.runtime()) as stub:
        stub.add_client_error("invoke_endpoint", "ModelError", "Received server error (500)")
        result = invoke(
            "smoke_test", {"endpoint_name": ENDPOINT, "package_arn": approved_package()}
        )
    assert (result["passed"], result["lines"]) == (False, 1)


@pytest.mark.parametrize(
    ("code", "answered"),
    [
        ("ThrottlingException", 0),
        ("ValidationError", 0),
        ("ServiceUnavailable", 0),
        ("InternalDependencyException", 0),
        ("ModelError", 503),
        ("ModelError", 429),
    ],
)
def test_an_endpoint_that_was_not_really_asked_says_nothing_about_the_model(
    clients: ModuleType, code: str, answered: int
) -> None:
    golden(1)
    service = client("sagemaker-runtime")
    with Stubber(service) as stub:
        stub.add_client_error(
            "invoke_endpoint", code, "No.", response_meta={}, modeled_fields=modeled(answered)
        )
        with pytest.raises(ClientError):
            check(service, clients)


def modeled(answered: int) -> dict[str, int] | None:
    return {"OriginalStatusCode": answered} if answered else None


@pytest.mark.parametrize("lines", [0, 1])
def test_a_version_is_remembered_to_have_read_golden_lines(
    invoke: Invoke, clients: ModuleType, lines: int
) -> None:
    arn = approved_package()
    golden(lines)
    clients.golden_keeper().refresh()
    answer = json.dumps({"predictions": [{"text": "line 0", "confidence": 0.9}]}).encode()
    with Stubber(clients.runtime()) as stub:
        body = StreamingBody(io.BytesIO(answer), len(answer))
        stub.add_response("invoke_endpoint", {"Body": body})
        assert invoke("smoke_test", {"endpoint_name": ENDPOINT, "package_arn": arn})["passed"]
    assert (SMOKE_TESTED in clients.registry().describe(arn).metadata) is bool(lines)

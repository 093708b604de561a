from types import ModuleType
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from retraining.async_inference import async_options
from retraining.async_reading import MOST_WAIT_SECONDS, AsyncEndpointReader
from retraining.endpoint import Endpoint
from retraining.smoke import MOST_SECONDS, BadAnswerError

from .conftest import BUCKET, put
from .test_deployment import decide

TOPIC = "arn:aws:sns:eu-central-1:123456789012:answers"


class Answering:
    """An asynchronous endpoint that writes at once what it was told to."""

    def __init__(self, place: str, content: bytes) -> None:
        self.place, self.content = place, content
        self.asked: dict[str, Any] = {}

    def invoke_endpoint_async(self, **request: Any) -> dict[str, str]:  # noqa: ANN401
        self.asked = request
        if self.place:
            put(self.place, self.content)
        return {
            "OutputLocation": f"s3://{BUCKET}/async/output/1.out",
            "FailureLocation": f"s3://{BUCKET}/async/failure/1-error.out",
        }


def read(clients: ModuleType, place: str, content: bytes) -> tuple[str, Answering]:
    runtime = Answering(place, content)
    moments = iter(range(0, 10_000, 10))
    reader = AsyncEndpointReader(
        runtime,  # type: ignore[arg-type]
        "ocr-retrain",
        clients.bucket(),
        clock=lambda: next(moments),
        sleep=lambda _: None,
    )
    return reader.read(b"image", "image/png"), runtime


def test_the_answer_is_found_where_the_endpoint_says(clients: ModuleType) -> None:
    answer = b'{"predictions": [{"text": "4711", "confidence": 0.9}]}'
    text, runtime = read(clients, "async/output/1.out", answer)
    assert text == "4711"
    assert runtime.asked["InputLocation"].startswith(f"s3://{BUCKET}/async/input/smoke-")
    key = clients.bucket().key(runtime.asked["InputLocation"])
    assert clients.bucket().read(key).body == b"image"


@pytest.mark.parametrize(
    ("place", "content", "told"),
    [
        ("async/failure/1-error.out", b"Received server error (500)", "server error"),
        ("async/output/1.out", b"<html>", "not a list of predictions"),
    ],
)
def test_the_models_faults_are_told(
    clients: ModuleType, place: str, content: bytes, told: str
) -> None:
    with pytest.raises(BadAnswerError, match=told):
        read(clients, place, content)


def test_an_endpoint_without_an_instance_is_no_fault_of_the_model(clients: ModuleType) -> None:
    with pytest.raises(TimeoutError):
        read(clients, "", b"")
    # The function has 360 s.
    assert MOST_SECONDS + MOST_WAIT_SECONDS < 350


@pytest.mark.parametrize("topics", [False, True])
def test_the_configuration_is_what_sagemaker_takes(clients: ModuleType, *, topics: bool) -> None:
    told = {"async_success_topic_arn": TOPIC, "async_error_topic_arn": TOPIC} if topics else {}
    settings = clients.settings().model_copy(update={"endpoint_async": True, **told})
    options = async_options(settings)
    model = botocore.session.get_session().get_service_model("sagemaker")
    shape = model.shape_for("AsyncInferenceConfig")
    assert not ParamValidator().validate(options["AsyncInferenceConfig"], shape).has_errors()
    output = options["AsyncInferenceConfig"]["OutputConfig"]
    assert output["S3OutputPath"] == f"s3://{BUCKET}/async/output"
    assert ("NotificationConfig" in output) is topics
    assert async_options(clients.settings()) == {}


@pytest.mark.parametrize(
    ("is_async", "wanted", "anew"),
    [(False, True, True), (True, False, True), (True, True, False), (False, False, False)],
)
def test_an_endpoint_that_answers_in_the_other_way_is_made_anew(
    clients: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_async: bool,
    wanted: bool,
    anew: bool,
) -> None:
    as_it_is = clients.settings().model_copy(update={"endpoint_async": is_async})
    config = async_options(as_it_is).get("AsyncInferenceConfig", {})
    endpoint = Endpoint("InService", config="c", instances=1, variants=1, async_config=config)
    monkeypatch.setattr("retraining.deployment.look_up", lambda *_: endpoint)
    decision = decide(clients, endpoint_async=wanted)
    assert decision["replace_endpoint"] is anew
    assert ("AsyncInferenceConfig" in decision["config_options"]) is wanted

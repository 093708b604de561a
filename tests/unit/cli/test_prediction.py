from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ocr_retrain.connection import Cloud
from ocr_retrain.errors import UserError
from ocr_retrain.main import execute
from ocr_retrain.prediction import MAX_JSON_BYTES, LoadedImage, Mode, batches, predict
from ocr_retrain.stack import Stack


class FakeEndpoint:
    """Reads each image as its content; what begins with a question mark is unreadable."""

    def __init__(self) -> None:
        self.requests: list[dict[str, str | bytes]] = []

    def invoke_endpoint(self, **request: str | bytes) -> dict[str, io.BytesIO]:
        self.requests.append(request)
        if request["ContentType"] == "application/x-image":
            answer: dict[str, Any] = {"predictions": [{"text": "large", "confidence": 0.5}]}
        else:
            images = json.loads(request["Body"])["images"]
            answer = {"results": [self._read(base64.b64decode(image)) for image in images]}
        return {"Body": io.BytesIO(json.dumps(answer).encode())}

    @staticmethod
    def _read(content: bytes) -> dict[str, Any]:
        if content.startswith(b"?"):
            return {"error": "This is no image."}
        box = [[0, 0], [9, 0], [9, 4], [0, 4]]
        text = content[:20].decode()
        return {"predictions": [{"box": box, "text": text, "confidence": 0.98765}]}


@pytest.fixture
def endpoint() -> FakeEndpoint:
    return FakeEndpoint()


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path in paths:
        path.write_text(f"line {path.stem}")
    return paths


def test_many_images_are_read_in_one_call_and_in_order(
    endpoint: FakeEndpoint, images: list[Path]
) -> None:
    readings = predict(endpoint, "ocr-retrain", images, Mode.LINE)  # type: ignore[arg-type]

    assert len(endpoint.requests) == 1
    assert json.loads(endpoint.requests[0]["Body"])["mode"] == "line"
    assert [reading.predictions[0].text for reading in readings] == ["line 0", "line 1", "line 2"]


def test_batches_stay_below_the_size_of_a_request() -> None:
    images = [LoadedImage(number, b"x" * 900_000) for number in range(9)]

    groups = list(batches(images, Mode.LINE))

    assert [len(group) for group in groups] == [4, 4, 1]
    assert all(sum(image.json_bytes for image in group) <= MAX_JSON_BYTES for group in groups)


def test_pages_go_in_small_groups_because_they_take_long() -> None:
    groups = list(batches([LoadedImage(number, b"x") for number in range(20)], Mode.PAGE))

    assert [len(group) for group in groups] == [8, 8, 4]


def test_very_large_image_goes_alone_as_it_is(endpoint: FakeEndpoint, images: list[Path]) -> None:
    images[1].write_bytes(b"x" * MAX_JSON_BYTES)

    readings = predict(endpoint, "ocr-retrain", images, Mode.PAGE)  # type: ignore[arg-type]

    assert [request["ContentType"] for request in endpoint.requests] == [
        "application/json",
        "application/x-image",
        "application/json",
    ]
    assert endpoint.requests[1]["CustomAttributes"] == "mode=page"
    assert readings[1].predictions[0].text == "large"


def test_missing_and_unreadable_images_do_not_stop_the_others(
    endpoint: FakeEndpoint, images: list[Path], tmp_path: Path
) -> None:
    images[0].write_text("?")
    missing = tmp_path / "missing.png"

    readings = predict(endpoint, "ocr-retrain", [missing, *images], Mode.LINE)  # type: ignore[arg-type]

    assert "missing.png cannot be read: No such file or directory" in readings[0].error
    assert readings[1].error == "This is no image."
    assert [reading.error for reading in readings[2:]] == ["", ""]


@pytest.mark.parametrize(
    ("code", "message", "told"),
    [
        ("ValidationError", "Endpoint ocr-retrain of account 1 not found.", "bootstrap"),
        ("ModelError", "Received client error (413)", "did not answer: Received client error"),
    ],
)
def test_refusal_of_the_endpoint_is_one_sentence(
    images: list[Path], code: str, message: str, told: str
) -> None:
    class Refusing:
        def invoke_endpoint(self, **request: object) -> None:
            raise ClientError({"Error": {"Code": code, "Message": message}}, "InvokeEndpoint")

    with pytest.raises(UserError, match=told.replace("(", r"\(")):
        predict(Refusing(), "ocr-retrain", images, Mode.LINE)  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", ['{"results": []}', "<html>", '{"predictions": []}'])
def test_answer_that_is_no_reading_is_told(images: list[Path], answer: str) -> None:
    class Confused:
        def invoke_endpoint(self, **request: object) -> dict[str, io.BytesIO]:
            return {"Body": io.BytesIO(answer.encode())}

    with pytest.raises(UserError, match="no reading|read 0 images of 3"):
        predict(Confused(), "ocr-retrain", images, Mode.LINE)  # type: ignore[arg-type]


def test_command_prints_path_text_and_confidence(
    connected: Cloud,
    endpoint: FakeEndpoint,
    images: list[Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    connected.__dict__["sagemaker_runtime"] = endpoint

    assert execute(["predict", *map(str, images)]) == 0

    assert capsys.readouterr().out.splitlines()[0] == f"{images[0]}\tline 0\t0.988"


def test_command_prints_one_json_object_per_image_and_fails_when_one_failed(
    connected: Cloud,
    endpoint: FakeEndpoint,
    images: list[Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    connected.__dict__["sagemaker_runtime"] = endpoint
    images[1].write_text("?")

    assert execute(["predict", "--json", *map(str, images)]) == 1

    captured = capsys.readouterr()
    answer = json.loads(captured.out)
    assert [item["image"] for item in answer] == [str(image) for image in images]
    assert answer[0]["predictions"][0]["text"] == "line 0"
    assert answer[1] == {"image": str(images[1]), "predictions": [], "error": "This is no image."}
    assert f"{images[1]}: This is no image." in captured.err


def test_whoever_asks_outside_the_endpoint_s_hours_learns_when_it_is_back(
    connected: Cloud,
    images: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Absent:
        def invoke_endpoint(self, **_: object) -> None:
            error = {"Code": "ValidationError", "Message": "Endpoint ocr-retrain not found."}
            raise ClientError({"Error": error}, "InvokeEndpoint")

    connected.__dict__["sagemaker_runtime"] = Absent()
    monkeypatch.setattr(Stack, "off_until", lambda stack, now: "The endpoint is off until Monday.")

    assert execute(["predict", str(images[0])]) == 1

    assert "The endpoint is off until Monday." in capsys.readouterr().err


class AsyncEndpoint:
    """Answers in S3: what an image contains, or a failure for what begins with a question mark."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.requests = cloud, 0

    def invoke_endpoint_async(self, **request: str) -> dict[str, str]:
        self.requests += 1
        bucket, folder = self.cloud.stack.bucket, f"async/{self.requests}"
        key = request["InputLocation"].removeprefix(f"s3://{bucket}/")
        text = self.cloud.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
        failed = text.startswith("?")
        reading = {"predictions": [{"text": text, "confidence": 0.5}]}
        body = "Received client error (422)" if failed else json.dumps(reading)
        place = f"{folder}-error.out" if failed else f"{folder}.out"
        self.cloud.s3.put_object(Bucket=bucket, Key=place, Body=body.encode())
        assert request["CustomAttributes"] == "mode=page"
        return {
            "OutputLocation": f"s3://{bucket}/{folder}.out",
            "FailureLocation": f"s3://{bucket}/{folder}-error.out",
        }


def test_command_waits_for_what_an_asynchronous_endpoint_writes(
    connected: Cloud,
    images: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    connected.__dict__["sagemaker_runtime"] = AsyncEndpoint(connected)
    monkeypatch.setattr("ocr_retrain.commands.predict.is_asynchronous", lambda _: True)
    images[1].write_text("?")
    given = [*images, tmp_path / "missing.png"]

    assert execute(["predict", "--mode", "page", "--json", *map(str, given)]) == 1

    answer = json.loads(capsys.readouterr().out)
    assert answer[0]["predictions"][0]["text"] == "line 0"
    assert answer[1]["error"] == "Received client error (422)"
    assert answer[2]["predictions"][0]["text"] == "line 2"
    assert "cannot be read" in answer[3]["error"]

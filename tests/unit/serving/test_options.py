"""How an answer may be asked for: confidence, boxes, and the form it is written in."""

from __future__ import annotations

import base64
import json

import pytest

from recognition.dictionary import Reading
from serving.geometry import Box

PNG = {"content-type": "image/png"}
JSON = {"content-type": "application/json"}
CUSTOM = "X-Amzn-SageMaker-Custom-Attributes"


@pytest.fixture
def post(service):
    def send(content, headers=PNG, path="/invocations"):
        answers = []

        async def scenario(client):
            answers.append(await client.post(path, content=content, headers=headers))

        service.run(scenario)
        return answers[0]

    return send


@pytest.fixture
def document(stripes, encoded):
    def make(*texts, **fields):
        images = [base64.b64encode(encoded(stripes(text))).decode() for text in texts]
        return json.dumps({"images": images, **fields})

    return make


@pytest.mark.parametrize(
    ("query", "attributes", "field", "read"),
    [
        ("", "", None, ["A"]),
        ("?min_confidence=0.9", "", None, ["A"]),
        ("?min_confidence=0.95", "", None, []),
        ("", "trace=7;min_confidence=0.95", None, []),
        ("?min_confidence=0.5", "min_confidence=0.95", None, ["A"]),
        ("?min_confidence=0.5", "", 1, []),
    ],
)
def test_lines_below_the_least_confidence_are_left_out(
    post, stripes, encoded, query, attributes, field, read
):
    image = base64.b64encode(encoded(stripes("A"))).decode()
    body = json.dumps({"image": image} | ({} if field is None else {"min_confidence": field}))

    answer = post(body, {**JSON, CUSTOM: attributes}, f"/invocations{query}")

    assert [each["text"] for each in answer.json()["predictions"]] == read


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("min_confidence=2", "min_confidence is '2'"),
        ("min_confidence=nan", "min_confidence is 'nan'"),
        ("min_confidence=much", "min_confidence is 'much'"),
        ("rotated_boxes=perhaps", "rotated_boxes is 'perhaps'"),
        ("mode=word", "mode is 'word'"),
    ],
)
def test_a_wrong_option_outside_the_document_is_400_and_named(post, stripes, encoded, query, says):
    answer = post(encoded(stripes("A")), PNG, f"/invocations?{query}")

    assert answer.status_code == 400
    assert says in answer.json()["error"]


@pytest.mark.parametrize(
    "fields",
    [
        {"min_confidence": 1.5},
        {"min_confidence": "0.5"},
        {"rotated_boxes": "yes"},
        {"rotated_boxes": 1},
    ],
)
def test_a_wrong_option_in_the_document_is_422_and_named(post, document, fields):
    answer = post(document("A", **fields), JSON)

    assert answer.status_code == 422
    assert next(iter(fields)) in answer.json()["error"]


def test_rotated_boxes_come_on_request(service, post, stripes, encoded):
    service.detector.boxes = [Box(((0, 10), (40, 10), (40, 26), (0, 26)))]

    (plain,) = post(encoded(stripes("AB")), PNG, "/invocations?mode=page").json()["predictions"]
    (asked,) = post(
        encoded(stripes("AB")), PNG, "/invocations?mode=page&rotated_boxes=true"
    ).json()["predictions"]

    assert asked.pop("rotated_box") == {"center": [20, 18], "size": [40, 16], "angle": 0}
    assert asked == plain


def test_a_turned_box_tells_its_angle_clockwise():
    box = Box(((100, 0), (200, 100), (180, 120), (80, 20)))

    assert box.rotated.center == (140, 60)
    assert box.rotated.angle == pytest.approx(45)
    assert box.rotated.size == pytest.approx((100 * 2**0.5, 20 * 2**0.5))


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/html, */*;q=0.1", "application/json"),
        ("application/*", "application/json"),
        ("application/json", "application/json"),
        ("Application/JSONLines", "application/jsonlines"),
        ("application/x-ndjson", "application/jsonlines"),
        ("application/json;q=0.5, application/jsonlines", "application/jsonlines"),
        ("application/jsonlines;q=0.5, */*", "application/json"),
    ],
)
def test_the_answer_has_the_form_that_is_accepted(post, document, accept, content_type):
    headers = {**JSON, "accept": accept} if accept is not None else JSON

    answer = post(document("A", "B"), headers)

    assert answer.headers["content-type"] == content_type


@pytest.mark.parametrize(
    "accept", ["image/png", "text/csv", "application/json;q=0", "application/json;q=x"]
)
def test_another_form_is_refused_with_406(service, post, document, accept):
    answer = post(document("A"), {**JSON, "accept": accept})

    assert answer.status_code == 406
    assert "application/jsonlines" in answer.json()["error"]
    assert service.recognizer.batches == []


def test_json_lines_have_one_image_per_line_and_errors_in_their_place(post, document):
    body = json.loads(document("A", "BC"))
    body["images"].insert(1, "eA==")

    answer = post(json.dumps(body), {**JSON, "accept": "application/jsonlines"})

    assert answer.text.endswith("\n")
    first, second, third = map(json.loads, answer.text.splitlines())
    assert first["predictions"][0]["text"] == "A"
    assert "cannot be read" in second["error"]
    assert third["predictions"][0]["text"] == "BC"


def test_a_line_break_in_a_text_does_not_break_a_json_line(service, post, document, monkeypatch):
    monkeypatch.setattr(
        service.recognizer, "read", lambda lines: [Reading("a\nb\u2028c", 0.9) for _ in lines]
    )

    answer = post(document("A"), {**JSON, "accept": "application/jsonlines"})

    (line,) = answer.content.splitlines()
    assert json.loads(line)["predictions"][0]["text"] == "a\nb\u2028c"


def test_an_encoded_body_is_refused_with_415(post, stripes, encoded):
    answer = post(encoded(stripes("A")), {**PNG, "content-encoding": "gzip"})

    assert answer.status_code == 415
    assert "gzip" in answer.json()["error"]

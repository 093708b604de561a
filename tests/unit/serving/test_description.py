"""The published description says what the server does."""

from __future__ import annotations

import base64
import json

import jsonschema
import pytest

from serving import messages
from serving.geometry import Box


def described(service):
    documents = []

    async def scenario(client):
        documents.append((await client.get("/openapi.json")).json())

    service.run(scenario)
    return documents[0]


def validator(description, name):
    return jsonschema.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": description["components"]}
    )


def test_every_schema_is_one(service):
    for schema in described(service)["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("mode", ["line", "page"])
@pytest.mark.parametrize("rotated", [True, False])
def test_answers_are_as_described(service, stripes, encoded, mode, rotated):
    service.detector.boxes = [Box.whole(24, 32), Box.whole(40, 32)]
    good = base64.b64encode(encoded(stripes("AB"))).decode()
    fields = {"mode": mode, "rotated_boxes": rotated}
    answers = []

    async def scenario(client):
        for document in ({"image": good}, {"images": [good, "eA=="]}, {"image": "eA=="}):
            answer = await client.post("/invocations", json={**document, **fields})
            answers.append(answer.json())

    service.run(scenario)
    description = described(service)
    for name, answer in zip(("Lines", "Results", "Error"), answers, strict=True):
        validator(description, name).validate(answer)


@pytest.mark.parametrize(
    ("document", "fits"),
    [
        ({"image": "eA=="}, True),
        ({"images": ["eA=="], "mode": "page", "min_confidence": 0.5, "rotated_boxes": True}, True),
        ({"image": "eA==", "mode": None, "min_confidence": None, "rotated_boxes": None}, True),
        ({}, False),
        ({"image": "eA==", "images": []}, False),
        ({"image": "eA==", "mode": "word"}, False),
        ({"image": "eA==", "min_confidence": 2}, False),
        ({"image": "eA==", "min_confidence": "1"}, False),
        ({"image": "eA==", "rotated_boxes": 1}, False),
        ({"image": "eA==", "more": 1}, False),
        ({"image": 7}, False),
        ([], False),
    ],
)
def test_requests_are_as_described(service, document, fits):
    described_so = validator(described(service), "Request").is_valid(document)
    try:
        messages.parse_request("application/json", "", {}, json.dumps(document).encode(), 256)
    except messages.RequestError:
        understood = False
    else:
        understood = True

    assert (described_so, understood) == (fits, fits)

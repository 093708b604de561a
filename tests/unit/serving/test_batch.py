"""What the server does differently in a transform job, whose requests carry no options."""

from __future__ import annotations

import threading

import pytest

from serving.settings import Settings

IMAGE = {"content-type": "application/x-image", "accept": "application/json"}
CUSTOM = "X-Amzn-SageMaker-Custom-Attributes"


@pytest.fixture
def post(service):
    def send(content, headers=IMAGE, **environment):
        service.settings = Settings.from_environment(
            {"MAX_BODY_MEGABYTES": "1", "SERVE_THREADS": "2", **environment}
        )
        answers = []

        async def scenario(client):
            answers.append(await client.post("/invocations", content=content, headers=headers))

        service.run(scenario)
        return answers[0]

    return send


@pytest.mark.parametrize(
    ("content", "status", "told"),
    [
        (b"", 400, "The body is empty"),
        (b"no image", 422, "cannot be read"),
        (b"x" * 1_048_577, 413, "larger than 1048576 bytes"),
    ],
)
def test_an_unreadable_image_is_an_answer_in_a_transform_job_and_a_refusal_elsewhere(
    post, content, status, told
):
    elsewhere = post(content)
    answer = post(content, SAGEMAKER_BATCH="true")

    assert elsewhere.status_code == status
    assert answer.status_code == 200
    assert answer.json() == elsewhere.json()
    assert told in answer.json()["error"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [({**IMAGE, "accept": "text/csv"}, 406), ({"content-type": "text/plain"}, 415)],
)
def test_a_fault_of_the_whole_job_is_still_refused(post, stripes, encoded, headers, status):
    answer = post(encoded(stripes("A")), headers, SAGEMAKER_BATCH="true")

    assert answer.status_code == status


def test_an_image_that_takes_too_long_does_not_end_the_job(service, post, stripes, encoded):
    # The thread that reads it ends by itself, well after the answer.
    service.recognizer.gate.clear()
    threading.Timer(1.0, service.recognizer.gate.set).start()

    answer = post(encoded(stripes("A")), SAGEMAKER_BATCH="true", REQUEST_SECONDS="0.1")

    assert answer.status_code == 200
    assert answer.json() == {"error": "The image took longer than 0.1 s."}


def test_a_fault_of_ours_is_told_to_the_job(service, post, stripes, encoded):
    answer = post(encoded(stripes("DA")), SAGEMAKER_BATCH="true")

    assert answer.status_code == 500


def test_the_environment_says_how_images_are_read_and_a_request_may_say_otherwise(
    service, post, stripes, encoded
):
    image = encoded(stripes("A"))
    page = {"SERVE_MODE": "page", "SERVE_MIN_CONFIDENCE": "0.95"}

    # No line is found on the page.
    assert post(image, **page).json() == {"predictions": []}
    assert post(image, {**IMAGE, CUSTOM: "mode=line"}, **page).json() == {"predictions": []}
    both = {**IMAGE, CUSTOM: "mode=line;min_confidence=0.5"}
    assert post(image, both, **page).json()["predictions"][0]["text"] == "A"

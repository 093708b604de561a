"""The inference image under SageMaker's contract for endpoints."""

from __future__ import annotations

import base64
import io
import json
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.images.conftest import Trained
from tests.images.machine import Container, Machine, answers
from tests.images.measuring import measured
from tests.integration.digit_lines import dot_matrix

TEXT = "40213"
# What SageMaker waits for after SIGTERM before it kills a container.
GRACE_SECONDS = 30


@pytest.fixture(scope="module")
def model(trained: Trained, opt_ml: Path) -> Path:
    """The candidate, unpacked as SageMaker does it: read by everybody, written by root."""
    directory = opt_ml / "served"
    with tarfile.open(trained.candidate) as archive:
        archive.extractall(directory, filter="data")
    return directory


@pytest.fixture(scope="module")
def requests(opt_ml: Path) -> Path:
    """A line, a page, and a request that keeps the server busy for seconds."""
    directory = opt_ml / "requests"
    directory.mkdir()
    rng = np.random.default_rng(3)
    line = dot_matrix(TEXT, rng)
    line.save(directory / "line.png")
    page = Image.new("RGB", (900, 1200), (20, 24, 30))
    for row in range(8):
        page.paste(
            dot_matrix("".join(rng.choice(list("0123456789"), 6)), rng), (60, 40 + 120 * row)
        )
    page.save(directory / "page.png")
    stream = io.BytesIO()
    page.save(stream, "PNG")
    encoded = base64.b64encode(stream.getvalue()).decode()
    many = json.dumps({"images": [encoded] * 12, "mode": "page"})
    (directory / "many.json").write_text(many)
    return directory


@contextmanager
def _serving(machine: Machine, image: str, model: Path) -> Iterator[Container]:
    # The server writes nothing, so it is given nowhere to write.
    options = ["--read-only", "--env=SERVE_THREADS=2"]
    with machine.running(
        image, ["serve"], mounts={"/opt/ml/model": model}, options=options
    ) as server:
        yield server


def test_serve_reads_lines_and_pages_with_the_mounted_model(
    machine: Machine, inference_image: str, model: Path, requests: Path
) -> None:
    with _serving(machine, inference_image, model) as server:
        line, page, parameters, bad = machine.ask(
            server,
            inference_image,
            requests,
            [
                ("POST", "/invocations", "image/png", "/requests/line.png"),
                ("POST", "/invocations?mode=page", "image/png", "/requests/page.png"),
                ("GET", "/execution-parameters", "", ""),
                ("POST", "/invocations", "image/png", "/etc/hostname"),
            ],
        )

    assert line["status"] == page["status"] == parameters["status"] == 200
    (prediction,) = json.loads(line["body"])["predictions"]
    assert prediction["text"] == TEXT
    found = json.loads(page["body"])["predictions"]
    assert len(found) == 8
    assert line["headers"]["x-model-version"].startswith("20260101")
    assert bad["status"] == 422


def test_serve_answers_ping_soon_after_its_start(
    machine: Machine, inference_image: str, model: Path, requests: Path
) -> None:
    with _serving(machine, inference_image, model) as server:
        began = time.time()
        (answer,) = machine.ask(server, inference_image, requests, [("GET", "/ping", "", "")])

    assert answer["status"] == 200
    measured(
        f"serve, start of the container to 200 on /ping: {answer['at'] - began:.1f} s, the start "
        "of the container that asks included"
    )


def test_sigterm_answers_what_was_asked_and_ends_within_the_grace(
    machine: Machine, inference_image: str, model: Path, requests: Path
) -> None:
    busy = ("POST", "/invocations", "application/json", "/requests/many.json")
    with _serving(machine, inference_image, model) as server:
        machine.ask(server, inference_image, requests, [("GET", "/ping", "", "")])
        with machine.asking(server, inference_image, requests, [busy]) as client:
            # The client waits for /ping first; the pages then take the server several seconds.
            next(line for line in client.lines() if line.startswith("asking"))
            time.sleep(1)
            stopped = time.time()
            server.terminate()
            ended = server.wait(GRACE_SECONDS)
            took = time.time() - stopped
            (answer,) = answers(client.wait())

    assert ended.code == 0, ended.output
    assert answer["at"] > stopped, "the request was over before SIGTERM came; make it longer"
    assert answer["status"] == 200
    assert len(json.loads(answer["body"])["results"]) == 12
    measured(f"serve, SIGTERM with twelve pages under way to its end: {took:.1f} s")


def test_a_model_that_is_none_ends_the_container_and_says_why(
    machine: Machine, inference_image: str, opt_ml: Path
) -> None:
    empty = opt_ml / "no-model"
    empty.mkdir()
    with _serving(machine, inference_image, empty) as server:
        ended = server.wait(120)

    assert ended.code == 1
    assert "The model cannot be served" in ended.output

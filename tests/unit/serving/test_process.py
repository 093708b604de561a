"""The `serve` command as SageMaker runs it, with a real network."""

from __future__ import annotations

import base64
import shutil
import signal
import socket
import threading
import time

import httpx
import numpy as np
import pytest

PNG = {"content-type": "image/png"}


def test_serve_reads_lines_and_pages_and_ends_cleanly(serve, base_dir, stripes, encoded):
    with serve(base_dir) as server:
        server.wait_until_ready()
        line = httpx.post(
            f"{server.url}/invocations", content=encoded(stripes("ABCD")), headers=PNG
        )
        wide = httpx.post(
            f"{server.url}/invocations", content=encoded(stripes("ABCD" * 8)), headers=PNG
        )
        blank = np.full((300, 400, 3), 255, dtype=np.uint8)
        page = httpx.post(
            f"{server.url}/invocations?mode=page", content=encoded(blank), headers=PNG
        )
        server.process.send_signal(signal.SIGTERM)
        output, _ = server.process.communicate(timeout=30)

    assert line.json()["predictions"][0]["text"] == "ABCD"
    assert wide.json()["predictions"][0]["text"] == "ABCD" * 8
    assert page.json() == {"predictions": []}
    assert line.headers["x-model-version"] == "20260101-000000-abcdef"
    assert server.process.returncode == 0
    assert "Traceback" not in output


@pytest.mark.parametrize("mode", ["line", "page"])
def test_extreme_shapes_are_answered(serve, base_dir, encoded, mode):
    shapes = [(1, 1), (1, 20_000), (20_000, 1), (3, 4000), (4000, 3)]
    blank = [encoded(np.full((height, width, 3), 128, np.uint8)) for height, width in shapes]
    images = [base64.b64encode(image).decode() for image in blank]

    with serve(base_dir) as server:
        server.wait_until_ready()
        answer = httpx.post(
            f"{server.url}/invocations", json={"images": images, "mode": mode}, timeout=60
        )

    texts = [[line["text"] for line in one["predictions"]] for one in answer.json()["results"]]
    assert texts == [[""] if mode == "line" else []] * len(shapes)


def test_a_request_in_flight_is_answered_after_sigterm(serve, base_dir, stripes, encoded):
    images = [base64.b64encode(encoded(np.full((700, 900, 3), 255, np.uint8))).decode()] * 12
    answers = []

    with serve(base_dir) as server:
        server.wait_until_ready()

        def ask():
            answers.append(
                httpx.post(
                    f"{server.url}/invocations", json={"images": images, "mode": "page"}, timeout=60
                )
            )

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(0.3)
        still_busy = not answers
        server.process.send_signal(signal.SIGTERM)
        asking.join(60)
        server.process.communicate(timeout=30)

    assert still_busy
    assert answers[0].status_code == 200
    assert answers[0].json() == {"results": [{"predictions": []}] * 12}
    assert server.process.returncode == 0


def test_a_client_that_goes_away_is_forgotten(serve, base_dir, stripes, encoded):
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"

    with serve(base_dir) as server:
        server.wait_until_ready()
        address = httpx.URL(server.url)
        for _ in range(5):
            with socket.create_connection((address.host, address.port)) as client:
                client.sendall(head + b"Content-Length: 1000\r\n\r\nhalf an image")
        answer = httpx.post(f"{server.url}/invocations", content=encoded(stripes("A")), headers=PNG)
        server.process.send_signal(signal.SIGTERM)
        output, _ = server.process.communicate(timeout=30)

    assert answer.status_code == 200
    assert "Traceback" not in output
    assert server.process.returncode == 0


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda model: (model / "manifest.json").unlink(), "lacks manifest.json"),
        (lambda model: (model / "inference/model.onnx").write_bytes(b"x"), "checksum"),
        (lambda model: (model / "dict.txt").unlink(), "lacks dict.txt"),
    ],
)
def test_a_damaged_model_ends_serve_with_the_reason(serve, base_dir, tmp_path, spoil, says):
    shutil.copytree(base_dir / "model", tmp_path / "model")
    spoil(tmp_path / "model")

    with serve(tmp_path) as server:
        output, _ = server.process.communicate(timeout=60)

    assert server.process.returncode == 1
    assert says in output


def test_a_missing_detection_model_ends_serve_with_the_reason(serve, base_dir, tmp_path):
    with serve(base_dir, DETECTION_MODEL=str(tmp_path / "gone.onnx")) as server:
        output, _ = server.process.communicate(timeout=60)

    assert server.process.returncode == 1
    assert "gone.onnx" in output


def test_a_wrong_setting_ends_serve_with_one_line(serve, base_dir):
    with serve(base_dir, SERVE_THREADS="many") as server:
        output, _ = server.process.communicate(timeout=60)

    assert server.process.returncode == 1
    assert "SERVE_THREADS is 'many'" in output
    assert len(output.splitlines()) == 1


def test_sigterm_while_loading_ends_serve(serve, base_dir):
    with serve(base_dir) as server:
        while True:
            try:
                httpx.get(f"{server.url}/ping", timeout=5)
                break
            except httpx.TransportError:
                time.sleep(0.01)
        server.process.send_signal(signal.SIGTERM)
        server.process.communicate(timeout=30)

    assert server.process.returncode == 0

"""Training and evaluation as jobs with network isolation run them: where there is no network."""

import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.network_namespace import require_namespaces, run_alone

from recognition.artefact import pack

CONTAINERS = Path(__file__).parents[3] / "containers"


def environment(base: Path, home: Path, **more: str) -> dict[str, str]:
    home.mkdir(exist_ok=True)
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{CONTAINERS / 'shared'}:{CONTAINERS / 'training'}",
        "PYTHONWARNINGS": "ignore",
        "SAGEMAKER_BASE_DIR": str(base),
        # Empty: nothing that was downloaded earlier can help.
        "HOME": str(home),
        **more,
    }


@pytest.fixture(autouse=True)
def _namespaces() -> None:
    require_namespaces()


def test_a_namespace_reaches_not_even_its_own_machine(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        code = f"import socket; socket.create_connection({address!r}, timeout=5)"
        done = run_alone([sys.executable, "-c", code], environment(tmp_path, tmp_path / "home"))
    assert done.returncode != 0
    assert "unreachable" in done.stdout


def test_a_model_is_trained_and_evaluated_without_a_network(
    make_job: Callable[..., Any], draw_lines: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    job = make_job(recipe="head", epochs=1, lines=48, generic_lines=0)
    trained = run_alone(
        [sys.executable, CONTAINERS / "training/bin/train"],
        environment(job.base, tmp_path / "home"),
    )
    assert trained.returncode == 0, trained.stdout
    assert (job.base / "model/inference/model.onnx").is_file()

    source = tmp_path / "evaluation/processing/input"
    for role in ("champion", "candidate"):
        (source / role).mkdir(parents=True)
    champion = (job.base / "input/data/champion/model.tar.gz").read_bytes()
    (source / "champion/model.tar.gz").write_bytes(champion)
    pack(job.base / "model", source / "candidate/model.tar.gz")
    lines = draw_lines(source / "images", "incoming/numbers", 20)
    (source / "slices").mkdir()
    rows = "".join(f"{key}\t{value}\n" for key, value in lines.items())
    (source / "slices/new--numbers.txt").write_text(rows)
    part = {"name": "numbers", "kind": "new", "file": "new--numbers.txt", "lines": len(lines)}
    (source / "slices/slices.json").write_text(json.dumps({"slices": [part]}))
    evaluated = run_alone(
        [sys.executable, CONTAINERS / "training/bin/evaluate"],
        environment(
            tmp_path / "evaluation",
            tmp_path / "home",
            RUN_ID="run-1",
            CHAMPION_PACKAGE_ARN="arn:champion",
        ),
    )
    assert evaluated.returncode == 0, evaluated.stdout
    report = tmp_path / "evaluation/processing/output/evaluation.json"
    assert json.loads(report.read_text())["slices"][0]["lines"] == 20

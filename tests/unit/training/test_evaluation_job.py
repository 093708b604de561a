"""The evaluation job: both models on the same lines, or one sentence that says why not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetuning.evaluate import main

METRICS = {
    "exact_match",
    "character_error_rate",
    "normalized_edit_distance",
    "mean_confidence",
    "milliseconds_per_line",
}


@pytest.fixture
def base(
    tmp_path: Path,
    tiny_archive: Path,
    draw_lines: Callable[..., dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    source = tmp_path / "processing/input"
    for role in ("champion", "candidate"):
        (source / role).mkdir(parents=True)
        (source / role / "model.tar.gz").write_bytes(tiny_archive.read_bytes())
    lines = draw_lines(source / "images", "incoming/numbers", 70)
    (source / "images/incoming/numbers/images/0003.png").write_bytes(b"damaged")
    lines["incoming/numbers/images/absent.png"] = "1"
    (source / "slices").mkdir()
    text = "".join(f"{key}\t{value}\n" for key, value in lines.items())
    (source / "slices/new--numbers.txt").write_text(text)
    slices = {
        "slices": [
            {"name": "numbers", "kind": "new", "file": "new--numbers.txt", "lines": len(lines)}
        ]
    }
    (source / "slices/slices.json").write_text(json.dumps(slices))
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    monkeypatch.setenv("RUN_ID", "run-1")
    monkeypatch.setenv("CHAMPION_PACKAGE_ARN", "arn:champion")
    return tmp_path


def evaluation(base: Path) -> dict[str, Any]:
    path = base / "processing/output/evaluation.json"
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_both_models_are_measured_on_the_same_lines(
    base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main() == 0

    document = evaluation(base)
    assert document["run_id"] == "run-1"
    assert document["champion"]["package_arn"] == "arn:champion"
    assert document["champion"]["sha256"] == document["candidate"]["sha256"]
    assert document["candidate"]["dictionary_size"] == 15
    (part,) = document["slices"]
    assert (part["name"], part["kind"], part["lines"]) == ("numbers", "new", 69)
    assert part["unreadable"] == [
        "incoming/numbers/images/0003.png",
        "incoming/numbers/images/absent.png",
    ]
    for role in ("champion", "candidate"):
        assert set(part[role]) == METRICS
    assert sum(part["paired"].values()) == 69
    assert part["paired"]["only_champion_right"] == part["paired"]["only_candidate_right"] == 0
    assert set(part["examples"]) == {"worst", "most_improved"}
    assert part["examples"]["most_improved"] == []
    assert len(part["examples"]["worst"]) <= 24
    assert capsys.readouterr().out.splitlines()[-1] == "slice=numbers lines=71/71"


def test_the_candidates_dictionary_is_kept_beside_the_evaluation(base: Path) -> None:
    assert main() == 0

    assert len((base / "processing/output/dict.txt").read_text().splitlines()) == 15


@pytest.mark.parametrize("role", ["champion", "candidate"])
def test_a_model_that_cannot_be_loaded_fails_the_job_in_one_sentence(
    base: Path, role: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (base / "processing/input" / role / "model.tar.gz").write_bytes(b"damaged")

    assert main() == 1

    message = (base / "output/message").read_text()
    assert message.startswith(f"The {role} model cannot be loaded: ")
    assert "\n" not in message
    assert capsys.readouterr().err.strip() == f"error: {message}"
    assert not (base / "processing/output/evaluation.json").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"slices": []}', "nothing to evaluate on"),
        ('{"slices": [{"name": "a"}]}', "malformed at slices.0.kind"),
        (
            '{"slices": [{"name": "a", "kind": "new", "file": "../a.txt", "lines": 1}]}',
            "malformed at slices.0.file",
        ),
        (
            '{"slices": [{"name": "a", "kind": "new", "file": "a.txt", "lines": 1}]}',
            "a.txt cannot be read",
        ),
    ],
)
def test_malformed_slices_are_named(base: Path, content: str, reason: str) -> None:
    (base / "processing/input/slices/slices.json").write_text(content)

    assert main() == 1

    assert reason in (base / "output/message").read_text()

"""The evaluation job: both models on the same lines, or one sentence that says why not."""

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
import pytest

from finetuning.evaluate import main
from recognition import artefact
from recognition.preprocessing import LineShape, scale_line

METRICS = {
    "exact_match",
    "character_error_rate",
    "normalized_edit_distance",
    "mean_confidence",
    "expected_calibration_error",
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
    assert part["available"] == 71
    assert part["new_characters"] == []
    assert set(part["confusions"]) == {"champion", "candidate"}
    assert part["confusions"]["champion"] == part["confusions"]["candidate"]
    assert set(part["examples"]) == {"worst", "most_improved"}
    assert document["seconds"]["champion"] > 0
    assert document["seconds"]["candidate"] > 0
    assert part["examples"]["most_improved"] == []
    assert len(part["examples"]["worst"]) <= 24
    assert capsys.readouterr().out.splitlines()[-1] == "slice=numbers lines=71/71"


def test_the_candidates_dictionary_is_kept_beside_the_evaluation(base: Path) -> None:
    assert main() == 0

    assert len((base / "processing/output/dict.txt").read_text().splitlines()) == 15


def test_what_the_training_told_is_kept_beside_the_evaluation(base: Path, tiny_dir: Path) -> None:
    assert main() == 0

    kept = (base / "processing/output/training.json").read_bytes()
    assert kept == (tiny_dir / "manifest.json").read_bytes()


def test_examples_come_with_the_line_as_the_models_saw_it(base: Path) -> None:
    label = base / "processing/input/slices/new--numbers.txt"
    key = "incoming/numbers/images/0001.png"
    label.write_text(f"{key}\tnobody reads this\t[[0,0],[40,0],[40,20],[0,20]]\n")

    assert main() == 0

    (example,) = evaluation(base)["slices"][0]["examples"]["worst"]
    assert (example["image"], example["truth"]) == (key, "nobody reads this")
    assert example["box"] == [[0, 0], [40, 0], [40, 20], [0, 20]]
    assert 0.0 <= example["candidate_confidence"] <= 1.0
    picture = cv2.imread(str(base / "processing/output" / example["picture"]))
    page = cv2.imread(str(base / "processing/input/images" / key))
    assert picture is not None
    assert page is not None
    seen = scale_line(page[:20, :40], LineShape.of((3, 32, 96)))
    assert picture.shape == seen.shape
    assert np.abs(picture.astype(int) - seen.astype(int)).mean() < 10


def test_sampled_slices_tell_how_many_lines_there_were(base: Path) -> None:
    index = base / "processing/input/slices/slices.json"
    content = json.loads(index.read_text())
    content["slices"][0]["available"] = 9000
    index.write_text(json.dumps(content))

    assert main() == 0

    assert evaluation(base)["slices"][0]["available"] == 9000


def test_a_candidate_that_cannot_be_loaded_fails_the_job_in_one_sentence(
    base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (base / "processing/input/candidate/model.tar.gz").write_bytes(b"damaged")

    assert main() == 1

    message = (base / "output/message").read_text()
    assert message.startswith("The candidate model cannot be loaded: ")
    assert "\n" not in message
    assert capsys.readouterr().err.strip() == f"error: {message}"
    assert not (base / "processing/output/evaluation.json").exists()


def test_a_champion_that_cannot_be_loaded_is_reported_and_the_candidate_measured(
    base: Path,
) -> None:
    (base / "processing/input/champion/model.tar.gz").write_bytes(b"damaged")

    assert main() == 0

    document = evaluation(base)
    assert document["champion"]["package_arn"] == "arn:champion"
    assert document["champion"]["error"].startswith("The champion model cannot be loaded: ")
    (part,) = document["slices"]
    assert (part["champion"], part["paired"]) == (None, None)
    assert set(part["candidate"]) == METRICS
    assert document["seconds"]["champion"] == 0.0


def test_without_an_approved_model_the_candidate_is_measured_alone(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAMPION_PACKAGE_ARN", "")
    (base / "processing/input/champion/model.tar.gz").unlink()

    assert main() == 0

    about = evaluation(base)["champion"]
    assert about == {"package_arn": "", "error": "There is no approved model."}


def test_a_full_disk_is_no_fault_of_the_champion(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = artefact.shutil.copyfileobj

    def copy(source: BinaryIO, sink: BinaryIO, length: int) -> None:
        if "/champion/" in sink.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, sink, length)

    monkeypatch.setattr(artefact.shutil, "copyfileobj", copy)

    assert main() == 1

    assert "No space left on device" in (base / "output/message").read_text()


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

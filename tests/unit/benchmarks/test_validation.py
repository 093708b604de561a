"""The drop that bench-validation measures is one that the functions understand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.validation import __main__ as command
from benchmarks.validation import steps

LINES = 2400


def run(step: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    steps.main(step, LINES, folder)
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_all_lines_of_the_drop_come_to_something(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGES_PER_FUNCTION", "1000")
    handed_out = run("validate", tmp_path, capsys)["answer"]
    assert isinstance(handed_out, dict)
    assert handed_out["image_shards"] == 3
    assert run("shard", tmp_path, capsys)["answer"] == [1000, 0]
    run("fill", tmp_path, capsys)
    finished = run("finish", tmp_path, capsys)
    answer = finished["answer"]
    assert isinstance(answer, dict)
    found = {each["code"]: each["count"] for each in answer["problems"]}
    assert found == {
        "missing_image": 3,
        "no_tab": 3,
        "unknown_character": 3,
        "conflicting_label": 3,
    }
    # The row of the conflict is two, and one of them is used.
    assert answer["train_lines"] + answer["holdout_lines"] == LINES - 9
    assert isinstance(finished["peak_mb"], int)


def test_going_beyond_a_limit_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    row = {"lines": 10, "function": "validate_dataset", "seconds": 1.0, "cpu_seconds": 1.0}
    for peak, code in ((1024, 0), (1025, 1)):
        found = [{**row, "peak_mb": peak}]
        monkeypatch.setattr(command, "_measure", lambda lines, found=found: found)
        results = tmp_path / "results.json"
        assert command.main(["--sizes", "10", "--results", str(results)]) == code
        assert json.loads(results.read_text()) == found
    assert "1 of 1 went beyond 900 seconds and 1,024 MB." in capsys.readouterr().out

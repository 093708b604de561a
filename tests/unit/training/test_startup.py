"""A job whose image is broken says so where SageMaker looks."""

from pathlib import Path

import pytest

from finetuning.startup import imports_reported_to


def test_a_failed_import_reaches_the_failure_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "output" / "failure"

    with pytest.raises(SystemExit) as ended, imports_reported_to(file):
        import a_package_that_is_not_there  # noqa: F401

    assert ended.value.code == 1
    assert "No module named 'a_package_that_is_not_there'" in file.read_text(encoding="utf-8")
    assert "The image cannot run its own code" in capsys.readouterr().err


def test_imports_that_work_leave_no_trace(tmp_path: Path) -> None:
    with imports_reported_to(tmp_path / "failure"):
        import json  # noqa: F401

    assert not (tmp_path / "failure").exists()

"""A job whose image is broken says so where SageMaker looks."""

import re
import shutil
import subprocess
import sys
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


def test_the_image_holds_everything_that_a_job_reads(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    dockerfile = (root / "containers/training/Dockerfile").read_text(encoding="utf-8")
    copied = re.findall(r"^COPY (containers/\S+) (/opt/program/\S+)$", dockerfile, re.MULTILINE)
    for source, target in copied:
        shutil.copytree(root / source, tmp_path / target.removeprefix("/opt/program/"))
    code = (
        "from finetuning.recipes import read_recipe, recipe_names;"
        "print(*(read_recipe(name).name for name in recipe_names()));"
        "import finetuning.train, finetuning.evaluate, finetuning.package"
    )

    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "full head partial scratch small" in done.stdout
    assert {path.name for path in (tmp_path / "bin").iterdir()} >= {"train", "evaluate"}

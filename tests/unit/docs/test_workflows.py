"""The workflows for GitHub: what they run exists, what they use is pinned, who deploys is asked."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocr_retrain.main import execute

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / ".github"
FILES = sorted((FOLDER / "workflows").glob("*.yml"))
PINNED = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
Step = dict[str, Any]


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def runs() -> list[str]:
    return [
        step["run"]
        for path in FILES
        for job in read(path)["jobs"].values()
        for step in job["steps"]
        if "run" in step
    ]


def test_every_make_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = {word for run in runs() if run.startswith("make ") for word in run.split()[1:]}
    assert {"check", "test", "test-pipelines"} <= named
    assert named <= targets


def test_nothing_else_is_run_than_make_and_our_own_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    others = [run for run in runs() if not run.startswith("make ")]
    assert others
    for run in others:
        program, command, *options = run.split()
        assert program == ".venv/bin/ocr-retrain"
        assert execute([command, "--help"]) == 0
        told = capsys.readouterr().out
        assert all(option in told for option in options), run


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_action_is_pinned_with_its_version(path: Path) -> None:
    used = re.findall(r"uses: (.+)", path.read_text(encoding="utf-8"))
    assert used
    assert [each for each in used if not PINNED.fullmatch(each)] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_job_has_a_time_limit_and_may_do_little(path: Path) -> None:
    workflow = read(path)
    assert set(workflow["permissions"].values()) <= {"read"} if workflow["permissions"] else True
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 240
        assert set(job.get("permissions", {})) <= {"contents", "id-token"}
        assert job.get("permissions", {}).get("contents", "read") == "read"


def test_a_person_is_asked_between_the_plan_and_the_deployment() -> None:
    jobs = read(FOLDER / "workflows" / "deploy.yml")["jobs"]
    assert jobs["plan"]["needs"] == "check"
    assert jobs["deploy"]["needs"] == "plan"
    assert jobs["deploy"]["environment"] == "production" != jobs["plan"]["environment"]
    planned = [step["run"] for step in jobs["plan"]["steps"] if "run" in step]
    assert all("deploy" not in run or "--dry-run" in run for run in planned)


def test_credentials_come_from_a_role_and_never_from_a_key() -> None:
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert "secrets." not in text
        assert "access-key" not in text
        for job in read(path)["jobs"].values():
            roles = [step for step in job["steps"] if "configure-aws" in step.get("uses", "")]
            assert bool(roles) == ("id-token" in job.get("permissions", {}))
            assert all("role-to-assume" in step["with"] for step in roles)


def test_newer_versions_are_proposed_for_every_lock_image_and_action() -> None:
    updates = read(FOLDER / "dependabot.yml")["updates"]
    looked_at = {
        (each["package-ecosystem"], folder)
        for each in updates
        for folder in each.get("directories", [each.get("directory")])
    }
    wanted = {("github-actions", "/")}
    for kind, pattern in (("pip", "*requirements*.in"), ("docker", "Dockerfile")):
        for path in ROOT.rglob(pattern):
            place = path.parent.relative_to(ROOT)
            # What is installed or built here lies in folders whose names begin with a dot.
            if not any(part.startswith(".") for part in place.parts):
                wanted.add((kind, "/" if place == Path() else f"/{place.as_posix()}"))
    assert wanted == looked_at

"""Running the SAM command line that `make setup` installs."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from ocr_retrain.errors import UserError
from ocr_retrain.exits import ExitCode
from ocr_retrain.installation.machine import sam_program
from ocr_retrain.repository import Repository

_NOT_PYTHONS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


def build_command() -> list[str]:
    """Return the command that builds the functions."""
    return ["sam", "build"]


def deploy_command(stack: str, region: str, confirm: bool) -> list[str]:
    """Return the command that deploys what was built, without its parameters."""
    return [
        "sam",
        "deploy",
        "--stack-name",
        stack,
        "--region",
        region,
        "--resolve-s3",
        "--capabilities",
        "CAPABILITY_IAM",
        "--no-fail-on-empty-changeset",
        "--confirm-changeset" if confirm else "--no-confirm-changeset",
    ]


def shown(command: Sequence[str], parameters: Mapping[str, str] | None = None) -> str:
    """Return a command as one would type it."""
    words = list(command)
    if parameters:
        words += ["--parameter-overrides", *(f"{key}={value}" for key, value in parameters.items())]
    return shlex.join(words)


def run_sam(
    repository: Repository, command: Sequence[str], parameters: Mapping[str, str] | None = None
) -> None:
    """Run a SAM command in the checkout, its output on stderr; raises UserError when it fails.

    The parameters travel in a file: on a command line, SAM takes quotes and spaces apart.
    """
    program = sam_program(repository)
    if not program.exists():
        raise UserError(f"{program} is missing: run `make setup`.")
    with tempfile.TemporaryDirectory(prefix="ocr-retrain-") as scratch:
        words = [str(program), *command[1:]]
        if parameters:
            file = Path(scratch) / "parameters.yaml"
            file.write_text(yaml.safe_dump(dict(parameters)), encoding="utf-8")
            words += ["--parameter-overrides", f"file://{file}"]
        done = subprocess.run(
            words, cwd=repository.root, env=_environment(program), stdout=2, check=False
        )
    if done.returncode != 0:
        raise UserError(
            f"`{shown(command)}` failed with status {done.returncode}; what it said is above.",
            ExitCode.FAILED,
        )


def _environment(program: Path) -> dict[str, str]:
    # SAM builds with the interpreter that it finds on PATH, which must have pip.
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_PYTHONS}
    path = os.pathsep.join((str(program.parent), os.environ.get("PATH", os.defpath)))
    return {**kept, "PATH": path, "SAM_CLI_TELEMETRY": "0"}

"""Build the functions with the SAM CLI, once per content."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

from localcloud import processes
from localcloud.build_store import BuildStore, content_hash
from localcloud.sam_template import FunctionSource

ARCHIVE_NAME = "code.zip"
_TIMEOUT_SECONDS = 600
_EARLIEST = (1980, 1, 1, 0, 0, 0)


class BuildError(RuntimeError):
    """``sam build`` failed or cannot be run."""


def build_functions(
    repo: Path,
    template: Path,
    sources: dict[str, FunctionSource],
    store: BuildStore,
    on_progress: Callable[[str], None],
) -> dict[str, Path]:
    """Return logical id -> zip of the function's code and dependencies.

    Functions with the same source share one build: SAM would copy it for each of them, which
    takes longer than everything else. Raises BuildError.
    """
    built: dict[FunctionSource, Path] = {}
    for logical_id, source in sources.items():
        if source in built:
            continue

        def make(
            directory: Path, logical_id: str = logical_id, source: FunctionSource = source
        ) -> None:
            on_progress(f"sam build ({source.code_uri})")
            _sam_build(repo, template, logical_id, directory)

        code = (template.parent / source.code_uri).resolve()
        key = content_hash([code], source.runtime, source.architecture, _sam_version(repo))
        built[source] = store.get(key, make)
    return {logical_id: built[source] / ARCHIVE_NAME for logical_id, source in sources.items()}


def _sam_build(repo: Path, template: Path, logical_id: str, directory: Path) -> None:
    scratch = directory.with_name(f"{directory.name}.sam")
    log = directory.with_name(f"{directory.name}.log")
    command = [
        str(_sam(repo)),
        "build",
        logical_id,
        "--template-file",
        str(template),
        "--build-dir",
        str(scratch),
        "--no-cached",
    ]
    try:
        with log.open("wb") as output:
            environment = _environment(repo)
            child = processes.spawn(
                "sam build", command, env=environment, cwd=scratch.parent, output=output
            )
            code = child.wait(_TIMEOUT_SECONDS)
        if code != 0:
            said = log.read_text(encoding="utf-8", errors="replace").strip()
            raise BuildError(f"sam build failed:\n{said[-3000:]}")
        (directory / ARCHIVE_NAME).write_bytes(zip_directory(scratch / logical_id))
    except subprocess.TimeoutExpired:
        child.kill()
        raise BuildError(f"sam build took more than {_TIMEOUT_SECONDS} seconds.") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        log.unlink(missing_ok=True)


def zip_directory(directory: Path) -> bytes:
    """Return a zip of the directory; equal contents give equal bytes."""
    buffer = io.BytesIO()
    # Not compressed: it never leaves this machine, and that takes four times as long.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(directory.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                entry = zipfile.ZipInfo(file.relative_to(directory).as_posix(), _EARLIEST)
                entry.external_attr = (file.stat().st_mode & 0o777) << 16
                archive.writestr(entry, file.read_bytes())
    return buffer.getvalue()


def _sam(repo: Path) -> Path:
    program = repo / ".runtimes" / "sam" / "bin" / "sam"
    if not program.exists():
        raise BuildError(f"{program} is missing: run `make setup`.")
    return program


def _sam_version(repo: Path) -> str:
    packages = (repo / ".runtimes" / "sam" / "lib").glob("python*/site-packages/aws_sam_cli-*")
    return ",".join(sorted(package.name for package in packages))


def _environment(repo: Path) -> dict[str, str]:
    # SAM looks for the runtime's interpreter and its pip on PATH: its own environment has both,
    # the machine's Python may lack pip.
    directories = [str(_sam(repo).parent), os.environ.get("PATH", os.defpath)]
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "PYTHON", "VIRTUAL_ENV"))
    }
    return {
        **kept,
        "PATH": os.pathsep.join(directories),
        "SAM_CLI_TELEMETRY": "0",
        "AWS_DEFAULT_REGION": "us-east-1",
        "__SAM_CLI_APP_DIR": str(repo / ".cache" / "sam"),
    }

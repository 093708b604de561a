"""Whether this machine can run the local cloud, and has the tools that a deployment needs."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from localcloud import lifecycle
from ocr_retrain.installation.findings import Finding, fine, notice, problem
from ocr_retrain.repository import Repository

RUNTIMES = ("sam", "lambda", "training", "inference")
_LOCKS = {
    "sam": "local/sam-requirements.txt",
    "lambda": "local/lambda-runtime-requirements.txt",
    "training": "containers/training/requirements-test.txt",
    "inference": "containers/inference/requirements-test.txt",
}
_GIGABYTE = 1024**3
_DISK_GIGABYTES = 3
_MEMORY_GIGABYTES = 4
_PROCESSORS = 2
_INSTALL = "Run `make setup`."
_MEMORY_FILES = (
    # cgroup v2 and v1; then the machine itself.
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def sam_program(repository: Repository) -> Path:
    """Return where the SAM command line is installed."""
    return repository.root / ".runtimes" / "sam" / "bin" / "sam"


def check_tools(repository: Repository) -> list[Finding]:
    """Look at what a deployment runs on this machine."""
    return [
        check_python(sys.version_info[:3]),
        _check_sam(repository),
        _check_runtime(repository, "training"),
    ]


def check_machine(repository: Repository, home: Path) -> list[Finding]:
    """Look at what the local cloud needs."""
    return [
        check_python(sys.version_info[:3]),
        _check_processors(os.cpu_count() or 1),
        _check_memory(memory_bytes()),
        _check_disk(repository.root),
        _check_loopback(),
        *(_check_runtime(repository, name) for name in RUNTIMES),
        _check_cloud(home),
    ]


def memory_bytes(limits: Sequence[Path] = _MEMORY_FILES) -> int:
    """Return how much memory this process may use: the machine's, or its container's limit."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in limits:
        try:
            text = file.read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit():
            total = min(total, int(text))
    return total


def check_python(parts: Sequence[int]) -> Finding:
    """Compare a version, such as (3, 11, 4), with the one that all parts are made for."""
    version = ".".join(str(part) for part in parts)
    if tuple(parts[:2]) == (3, 11):
        return fine("Python", f"{version}.")
    return problem(
        "Python",
        f"This is {version}; 3.11 is needed.",
        "Run `make PYTHON=/path/to/python3.11 setup`.",
    )


def _check_sam(repository: Repository) -> Finding:
    program = sam_program(repository)
    if not program.exists():
        return problem("SAM CLI", f"{program} is missing.", _INSTALL)
    environment = {**os.environ, "SAM_CLI_TELEMETRY": "0"}
    done = subprocess.run(
        [program, "--version"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
    )
    if done.returncode != 0:
        return problem("SAM CLI", f"{program} does not run: {_last_line(done.stderr)}", _INSTALL)
    return fine("SAM CLI", f"{done.stdout.strip()}.")


def _last_line(text: str) -> str:
    return next(reversed(text.strip().splitlines()), "it says nothing")


def _check_runtime(repository: Repository, name: str) -> Finding:
    subject = f"runtime {name}"
    installed = repository.root / ".runtimes" / name / ".installed"
    lock = repository.root / _LOCKS[name]
    if not installed.exists():
        return problem(subject, f".runtimes/{name} is not installed.", _INSTALL)
    if lock.exists() and lock.stat().st_mtime > installed.stat().st_mtime:
        return notice(subject, f".runtimes/{name} is older than {_LOCKS[name]}.", _INSTALL)
    return fine(subject, "installed.")


def _check_processors(count: int) -> Finding:
    if count >= _PROCESSORS:
        return fine("processors", f"{count}.")
    return notice("processors", "Only one.", "A run takes about twice as long; nothing to fix.")


def _check_memory(found: int) -> Finding:
    message = f"{found / _GIGABYTE:.1f} GB."
    if found >= _MEMORY_GIGABYTES * _GIGABYTE:
        return fine("memory", message)
    return problem(
        "memory",
        message,
        f"Training beside the local cloud wants {_MEMORY_GIGABYTES} GB: close programs, or give "
        "the container or virtual machine more.",
    )


def _check_disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    message = f"{free / _GIGABYTE:.1f} GB free in {folder}."
    if free >= _DISK_GIGABYTES * _GIGABYTE:
        return fine("disk", message)
    return problem("disk", message, f"Free {_DISK_GIGABYTES} GB; `rm -r .cache` is safe.")


def _check_loopback() -> Finding:
    try:
        with socket.create_server(("127.0.0.1", 0)):
            pass
    except OSError as error:
        return problem(
            "ports",
            f"No server can listen on 127.0.0.1: {error}.",
            "Allow local servers in this machine's firewall or sandbox.",
        )
    return fine("ports", "servers can listen on 127.0.0.1; free ports are chosen.")


def _check_cloud(home: Path) -> Finding:
    running = lifecycle.status(home)
    if running is None:
        return fine("local cloud", "none is up; `ocr-retrain local up` starts one.")
    return fine("local cloud", f"up at {running.endpoint_url}.")

"""Running a container image's local stand-in the way SageMaker runs a container.

What a container sees below ``/opt/ml`` lies below one directory per job here; programs find it by
``SAGEMAKER_BASE_DIR``.
"""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from localcloud.context import CloudContext, LocalImage
from localcloud.processes import Child, spawn
from localcloud.sagemaker_errors import JobInputError

_OPT_ML = PurePosixPath("/opt/ml")
_POLL_SECONDS = 0.05
_NOT_FOUND = 127


@dataclass(frozen=True)
class ContainerExit:
    """How a container ended: its exit code, and whether we made it end.

    ``other`` is for a container whose job another container has failed.
    """

    code: int
    ended_by: Literal["itself", "stop", "timeout", "other"]


@dataclass(frozen=True)
class Container:
    """Everything needed to start a container."""

    name: str
    image: LocalImage
    command: Sequence[str]
    environment: Mapping[str, str]
    base: Path
    log_file: Path


def image_of(context: CloudContext, uri: str) -> LocalImage:
    """Return the local stand-in for an image; raises JobInputError when there is none."""
    image = context.images.get(uri)
    if image is None:
        raise JobInputError(
            f"Cannot pull image {uri}: no local runtime stands in for it; name it in the local "
            "cloud's image list."
        )
    return image


def container_environment(
    context: CloudContext,
    image: LocalImage,
    base: Path,
    requested: Mapping[str, str],
    *,
    isolated: bool,
) -> dict[str, str]:
    """Return the variables a container starts with.

    ``requested`` is the job's own ``Environment``. An isolated container gets no AWS credentials
    and no endpoint, as with EnableNetworkIsolation.
    """
    aws = {} if isolated else context.aws_environment(f"container {image.name}")
    return {
        **image.environment(),
        **aws,
        "AWS_REGION": context.region,
        **requested,
        "SAGEMAKER_BASE_DIR": str(base),
    }


def local_path(base: Path, path: str) -> Path:
    """Return where ``path`` of the container lies; raises JobInputError outside ``/opt/ml``."""
    pure = PurePosixPath(path)
    if not pure.is_relative_to(_OPT_ML) or ".." in pure.parts:
        raise JobInputError(f"LocalPath {path} is not below /opt/ml.")
    return base / pure.relative_to(_OPT_ML)


def fresh_directory(directory: Path) -> Path:
    """Create an empty directory, removing what a former cloud left under that name."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def start(container: Container) -> Child:
    """Start the container's process; raises FileNotFoundError when the command is unknown."""
    with container.log_file.open("ab") as log:
        return spawn(
            container.name,
            container.command,
            env=container.environment,
            cwd=container.base,
            output=log.fileno(),
        )


def run(
    container: Container,
    *,
    stop: threading.Event,
    max_seconds: float,
    grace_seconds: float,
) -> ContainerExit:
    """Run the container to its end.

    When ``stop`` is set or ``max_seconds`` are over it gets SIGTERM, and SIGKILL after
    ``grace_seconds`` more.
    """
    (ended,) = run_together(
        [container], stop=stop, max_seconds=max_seconds, grace_seconds=grace_seconds
    )
    return ended


def run_together(
    containers: Sequence[Container],
    *,
    stop: threading.Event,
    max_seconds: float,
    grace_seconds: float,
) -> list[ContainerExit]:
    """Run one job's containers to their ends, as ``run`` does with one.

    The first one that fails ends the others.
    """
    children: list[Child] = []
    for container in containers:
        try:
            children.append(start(container))
        except FileNotFoundError as error:
            with container.log_file.open("a", encoding="utf-8") as log:
                log.write(f"{error}\n")
            _end(children, 0.0)
            # The image is the same for all.
            return [ContainerExit(_NOT_FOUND, "itself")] * len(containers)
    why = _wait(children, stop, time.monotonic() + max_seconds)
    by_themselves = [child.poll() for child in children]
    _end(children, grace_seconds)
    return [
        ContainerExit(child.wait(), why)
        if own is None
        else ContainerExit(_shell_code(own), "itself")
        for child, own in zip(children, by_themselves, strict=True)
    ]


def _wait(
    children: Sequence[Child], stop: threading.Event, deadline: float
) -> Literal["stop", "timeout", "other"]:
    """Return why those that still run are to be ended."""
    while any(child.poll() is None for child in children):
        if stop.is_set():
            return "stop"
        if time.monotonic() >= deadline:
            return "timeout"
        if any(child.poll() for child in children):
            break
        stop.wait(_POLL_SECONDS)
    return "other"


def _end(children: Sequence[Child], grace_seconds: float) -> None:
    """Send all SIGTERM at once; they share the time until SIGKILL."""
    deadline = time.monotonic() + grace_seconds
    for child in children:
        child.signal(signal.SIGTERM)
    for child in children:
        child.terminate(max(0.0, deadline - time.monotonic()))


def _shell_code(code: int) -> int:
    """Return an exit code as a shell reports it; Popen has signals negative."""
    return code if code >= 0 else 128 - code

"""What builds and runs images here: Docker where its engine runs, else buildah with Podman."""

from __future__ import annotations

import resource
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_HELP = (
    "There is neither a Docker engine nor buildah with Podman: start Docker, or "
    "`apt-get install buildah podman runc`."
)
# A machine behind a proxy of its own trusts that proxy by these; they are shown to the build only.
_TRUST = (Path("/etc/pip.conf"), Path("/etc/ssl/certs/ca-certificates.crt"))


class EngineError(Exception):
    """Images cannot be built or run here; the message says what to do."""


@dataclass(frozen=True)
class Engine:
    """Commands to which a verb and its arguments are added, and options of `build` and `run`."""

    name: str
    builder: tuple[str, ...]
    runner: tuple[str, ...]
    build_options: tuple[str, ...] = ()
    run_options: tuple[str, ...] = ()

    def build(self, arguments: Sequence[str], context: Path) -> None:
        """Build an image, its progress on this process's output. Raises EngineError."""
        command = [*self.builder, "build", *self.build_options, *arguments, str(context)]
        if subprocess.run(command, check=False).returncode:
            raise EngineError("The build failed; its last lines above say why.")

    def ask(self, *arguments: str) -> str:
        """Return what a command of the runner prints. Raises EngineError with its message."""
        done = subprocess.run(
            [*self.runner, *arguments], check=False, capture_output=True, text=True
        )
        if done.returncode:
            raise EngineError(f"{self.name} {arguments[0]}: {done.stderr.strip()}")
        return done.stdout.strip()

    def has(self, reference: str) -> bool:
        """Tell whether an image is on this machine."""
        command = [*self.runner, "image", "inspect", reference]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0


def find_engine() -> Engine:
    """Return what this machine has. Raises EngineError when it has nothing."""
    docker = Engine("docker", ("docker",), ("docker",))
    if shutil.which("docker") and _answers("docker", "info"):
        return docker
    if shutil.which("buildah") and shutil.which("podman"):
        return _buildah_and_podman()
    raise EngineError(_HELP)


def _answers(*command: str) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _buildah_and_podman() -> Engine:
    runner = ["podman"]
    # crun, the usual choice, cannot start anything where both versions of cgroups are mounted.
    if shutil.which("runc"):
        runner += ["--runtime", "runc"]
    if not Path("/run/systemd/system").is_dir():
        runner += ["--cgroup-manager", "cgroupfs", "--events-backend", "file"]
    trusted = [f"--volume={path}:{path}:ro" for path in _TRUST if path.is_file()]
    return Engine(
        "podman",
        ("buildah",),
        tuple(runner),
        # In a chroot the steps of a build run where containers do not, inside a container too.
        ("--isolation", "chroot", "--layers", "--pull-never", *trusted),
        tuple(_limit(name, kind) for name, kind in _LIMITS.items()),
    )


# What Podman asks for by default is more than many a machine grants, and so is all of its own.
_LIMITS = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
_MOST = 10_000


def _limit(name: str, kind: int) -> str:
    limits = [
        _MOST if each == resource.RLIM_INFINITY else each for each in resource.getrlimit(kind)
    ]
    soft, hard = (min(each, _MOST) for each in limits)
    return f"--ulimit={name}={soft}:{hard}"

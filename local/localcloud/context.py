"""What every part of a running local cloud knows about it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

Note: TypeAlias = Callable[[str, str, str, Mapping[str, Any]], None]
"""Is told of a call that goes past the HTTP port: caller, service, operation, parameters."""


def say_nothing(caller: str, service: str, operation: str, parameters: Mapping[str, Any]) -> None:
    """Write nothing down: what a cloud does unless it is recorded."""


@dataclass(frozen=True)
class LocalImage:
    """A container image's stand-in: a virtual environment plus the image's own programs.

    ``path_prefix`` holds the directories that come first on ``PATH`` (the image's ``bin`` before
    the runtime's), so that ``train``, ``evaluate`` and ``serve`` are found as in the container.
    """

    name: str
    path_prefix: tuple[Path, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    pythonpath: tuple[Path, ...] = ()

    def environment(self) -> dict[str, str]:
        """Return the environment variables a process of this image starts with.

        Nothing of the caller's environment leaks in but ``HOME``, the locale and a fallback
        ``PATH``: a container would not see it either. AWS settings come from the caller.
        """
        inherited = ("HOME", "LANG", "LC_ALL", "TMPDIR")
        environment = {name: os.environ[name] for name in inherited if name in os.environ}
        directories = [str(path) for path in self.path_prefix]
        environment["PATH"] = os.pathsep.join([*directories, os.environ.get("PATH", os.defpath)])
        if self.pythonpath:
            environment["PYTHONPATH"] = os.pathsep.join(str(path) for path in self.pythonpath)
        environment["PYTHONUNBUFFERED"] = "1"
        return {**environment, **self.env}


@dataclass(frozen=True)
class CloudContext:
    """One running local cloud.

    ``home`` keeps its logs, jobs and ``connection.json``; ``images`` maps image URIs, exactly as
    the template's parameters give them, to what runs in their place; ``note`` is told what
    SageMaker itself reads and writes.
    """

    home: Path
    endpoint_url: str
    region: str
    account_id: str
    repo: Path
    images: Mapping[str, LocalImage]
    note: Note = say_nothing

    @property
    def log_directory(self) -> Path:
        """Where every part of this cloud writes its log files."""
        return self.home / "log"

    def aws_environment(self, caller: str) -> dict[str, str]:
        """Return the variables that point any AWS SDK at this cloud, and nowhere else.

        ``caller`` becomes the access key id, by which requests can be told apart.
        """
        return aws_environment(self.endpoint_url, self.region, caller)


def aws_environment(endpoint_url: str, region: str, caller: str = "local") -> dict[str, str]:
    """Return the variables that point any AWS SDK at ``endpoint_url`` with dummy credentials.

    The user's own profile and configuration files are masked: nothing run here may ever reach a
    real account.
    """
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": caller,
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }

"""``connection.json``: how others find a running local cloud."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from localcloud.context import aws_environment

FILE_NAME = "connection.json"


@dataclass(frozen=True)
class Connection:
    """A running local cloud; ``outputs`` are the stack's, ``started_at`` is ISO 8601 in UTC."""

    endpoint_url: str
    pid: int
    region: str
    account_id: str
    stack_name: str
    outputs: Mapping[str, str]
    started_at: str

    def environment(self) -> dict[str, str]:
        """Return the AWS_* variables that point any AWS SDK at this cloud."""
        return aws_environment(self.endpoint_url, self.region)


def write_connection(home: Path, connection: Connection) -> None:
    """Write the file so that a reader sees all of it or nothing."""
    file = home / FILE_NAME
    scratch = file.with_suffix(f".{os.getpid()}.tmp")
    scratch.write_text(json.dumps(asdict(connection), indent=2) + "\n", encoding="utf-8")
    scratch.replace(file)


def read_connection(home: Path) -> Connection | None:
    """Return what the file says, None when there is none."""
    try:
        return Connection(**json.loads((home / FILE_NAME).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def remove_connection(home: Path) -> None:
    """Remove the file, if it is there."""
    (home / FILE_NAME).unlink(missing_ok=True)

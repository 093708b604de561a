"""Commands in a network namespace of their own: no route, no name server, no neighbour."""

from __future__ import annotations

import fcntl
import socket
import struct
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

_ALONE = ("unshare", "--map-root-user", "--net")
_SET_FLAGS = 0x8914
_UP = 0x1


def require_namespaces() -> None:
    """Skip the test, with the reason, where the system does not permit such a namespace."""
    try:
        tried = subprocess.run([*_ALONE, "true"], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("unshare (of util-linux) is not installed")
    if tried.returncode != 0:
        pytest.skip(f"network namespaces are not permitted here: {tried.stderr.strip()}")


def run_alone(
    command: Sequence[str | Path], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command where there is no network; standard error is part of the output."""
    return subprocess.run(
        [*_ALONE, *map(str, command)],
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )


def bring_up_loopback() -> None:
    """Let processes of this namespace talk to each other, and to nobody else."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        fcntl.ioctl(handle, _SET_FLAGS, struct.pack("16sh", b"lo", _UP))

"""Finds and ends the process at the other end of a loopback connection (Linux)."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

_STATES_OF_USE = {"01", "08"}


def kill_peer(port: int, *, below: int) -> bool:
    """End the process that has that local port, if it descends from process ``below``."""
    inode = _inode(port)
    for process in Path("/proc").glob("[0-9]*") if inode else ():
        with contextlib.suppress(OSError):
            if _has_socket(process, inode) and _descends(int(process.name), below):
                os.kill(int(process.name), signal.SIGKILL)
                return True
    return False


def _inode(port: int) -> str:
    for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *rest = row.split()
        if state in _STATES_OF_USE and int(local.split(":")[1], 16) == port:
            return rest[5]
    return ""


def _has_socket(process: Path, inode: str) -> bool:
    wanted = f"socket:[{inode}]"
    return any(str(each.readlink()) == wanted for each in (process / "fd").iterdir())


def _descends(pid: int, ancestor: int) -> bool:
    while pid > 1:
        if pid == ancestor:
            return True
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return False

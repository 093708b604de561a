"""The image that both Dockerfiles start from, made of Debian packages where no registry answers."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tools.container_images.engine import Engine, EngineError

from ocr_retrain.installation.sources import BASE_IMAGE

DEBIAN_BASE = "localhost/ocr-retrain/python:3.11-bookworm"
_RELEASE = "bookworm"
_PACKAGES = "ca-certificates,netbase,tzdata,python3,python3-venv"
# What Debian's slim images leave out as well.
_LEFT_OUT = (
    "usr/share/doc",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/man",
    "var/cache/apt",
    "var/lib/apt/lists",
    "var/log",
)


def choose_base(engine: Engine) -> str:
    """Return the base image: the one that AWS builds use, else one made here.

    Raises EngineError when there is none and none can be made.
    """
    if engine.has(BASE_IMAGE):
        return BASE_IMAGE
    try:
        engine.ask("pull", BASE_IMAGE)
    except EngineError as error:
        print(f"{error}\nThe base image is therefore made of Debian's packages.", flush=True)
        _make_debian_base(engine)
        return DEBIAN_BASE
    return BASE_IMAGE


def _make_debian_base(engine: Engine) -> None:
    if engine.has(DEBIAN_BASE):
        print(f"{DEBIAN_BASE} is there already; remove it to have it made anew.", flush=True)
        return
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        raise EngineError(
            f"{BASE_IMAGE} cannot be pulled; name another with --base, or make one of Debian's "
            "packages: `apt-get install debootstrap`, and run this as root."
        )
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "root"
        print(f"debootstrap {_RELEASE}: minutes ...", flush=True)
        done = subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", _RELEASE, str(root)],
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise EngineError(f"debootstrap: {done.stdout[-500:]}")
        _import(engine, root)


def _import(engine: Engine, root: Path) -> None:
    left_out = [f"--exclude=./{path}/*" for path in (*_LEFT_OUT, "proc", "sys", "dev")]
    with subprocess.Popen(
        ["tar", "-C", str(root), *left_out, "-cf", "-", "."], stdout=subprocess.PIPE
    ) as packing:
        done = subprocess.run(
            [*engine.runner, "import", "-", DEBIAN_BASE],
            check=False,
            stdin=packing.stdout,
            capture_output=True,
            text=True,
        )
    if packing.returncode or done.returncode:
        raise EngineError(f"{engine.name} import: {done.stderr.strip()}")

"""What is in the images, and what is not."""

from __future__ import annotations

import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from tests.images.machine import Machine
from tools.container_images.bill import Bill

from ocr_retrain.installation.sources import revision_of

ROOT = Path(__file__).resolve().parents[2]
COMPILERS = ("gcc", "g++", "cc", "c++", "clang", "make", "ld", "as")
# The base image may have an installer of its own; it cannot install into the environment.
LOOK_FOR_THEM = f"for each in {' '.join(COMPILERS)}; do command -v $each; done; ls /opt/venv/bin"


@pytest.fixture(params=["training", "inference"])
def image(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The name of an image, and its reference."""
    return request.param, request.getfixturevalue(f"{request.param}_image")


def _configuration(machine: Machine, reference: str) -> dict[str, Any]:
    told = machine.engine.ask("image", "inspect", "--format", "{{json .Config}}", reference)
    found: dict[str, Any] = json.loads(told)
    return found


def test_labels_tell_version_and_revision(machine: Machine, image: tuple[str, str]) -> None:
    name, reference = image
    labels = _configuration(machine, reference)["Labels"]

    prefix = "org.opencontainers.image."
    assert labels[f"{prefix}title"] == f"ocr-retrain {name} (cpu)"
    assert labels[f"{prefix}version"] == version("ocr-retrain")
    revision = labels[f"{prefix}revision"]
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", revision) or revision == revision_of(ROOT)
    assert "python" in labels[f"{prefix}base.name"]


def test_there_is_neither_compiler_nor_installer(machine: Machine, image: tuple[str, str]) -> None:
    ended = machine.run(image[1], ["sh", "-c", LOOK_FOR_THEM], mounts={})

    assert ended.code == 0
    assert "python3" in ended.output.split()
    assert not [word for word in ended.output.split() if word in COMPILERS or "pip" in word]


def test_the_server_is_not_root_and_its_programs_are_not_its_own(
    machine: Machine, inference_image: str
) -> None:
    assert _configuration(machine, inference_image)["User"] == "10001"
    look = "id -u; find /opt -writable | head -5"
    ended = machine.run(inference_image, ["sh", "-c", look], mounts={})

    assert ended.output.split() == ["10001"]


def test_the_bill_of_materials_lists_what_was_locked_and_the_system(
    machine: Machine, image: tuple[str, str], tmp_path: Path
) -> None:
    name, reference = image
    bill = Bill.write(machine.engine, reference, tmp_path / "bill.cdx.json", "1.0")

    listed = json.loads(bill.path.read_text())["components"]
    versions = {_normal(each["name"]): each.get("version") for each in listed}
    locked = (ROOT / "containers" / name / "requirements.txt").read_text()
    pins = dict(re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;]+)", locked, re.MULTILINE))
    missing = {pin: at for pin, at in pins.items() if versions.get(_normal(pin)) != at}
    assert not missing
    assert any(each.get("purl", "").startswith("pkg:deb/debian/libc6@") for each in listed)
    assert "rapidocr" in versions


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()

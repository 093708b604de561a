"""Building an image as CodeBuild does: the same Dockerfile, context and build arguments."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tools.container_images.engine import Engine

from ocr_retrain.installation.sources import Device, Image, revision_of

_MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Layer:
    """A layer that takes room: its size in bytes, and the line of the Dockerfile it comes from."""

    bytes: int
    made_by: str


@dataclass(frozen=True)
class Built:
    """An image on this machine, and how long its build took."""

    reference: str
    seconds: float
    bytes: int
    layers: tuple[Layer, ...]

    def __str__(self) -> str:
        """Tell name, size and time, and the layers below."""
        rows = [f"{self.reference}  {self.bytes / _MEGABYTE:,.0f} MB  {self.seconds:.0f} s"]
        rows += [f"{layer.bytes / _MEGABYTE:>10,.1f}  {layer.made_by}" for layer in self.layers]
        return "\n".join(rows)


def reference_of(image: Image, device: Device) -> str:
    """Return the name an image has on this machine."""
    return f"localhost/ocr-retrain/{image}:{device}"


def build(engine: Engine, root: Path, image: Image, device: Device, base: str) -> Built:
    """Build one image of the checkout at `root`. Raises EngineError when that fails."""
    reference = reference_of(image, device)
    values = {
        "BASE_IMAGE": base,
        "DEVICE": device.value,
        "VERSION": version("ocr-retrain"),
        "REVISION": revision_of(root),
    }
    arguments = [f"--build-arg={name}={value}" for name, value in values.items()]
    dockerfile = root / "containers" / image / "Dockerfile"
    began = time.monotonic()
    engine.build([*arguments, "--file", str(dockerfile), "--tag", reference], root)
    seconds = time.monotonic() - began
    size = int(engine.ask("image", "inspect", "--format", "{{.Size}}", reference))
    return Built(reference, seconds, size, layers(engine, reference))


def layers(engine: Engine, reference: str) -> tuple[Layer, ...]:
    """Return the layers that take room, the largest first."""
    told = engine.ask("history", "--no-trunc", "--human=false", "--format", "json", reference)
    # Podman prints one list, Docker one object per line with other names and sizes in strings.
    rows = json.loads(told) if told.startswith("[") else map(json.loads, told.splitlines())
    found = [
        Layer(int(row.get("size", row.get("Size"))), " ".join(row["CreatedBy"].split())[:100])
        for row in rows
    ]
    return tuple(sorted((layer for layer in found if layer.bytes), key=lambda each: -each.bytes))

"""Build the images of this checkout with what this machine has, or list what is in them.

python -m tools.container_images build|sbom [--device cpu|gpu] [--image training|inference]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from tools.container_images.base import choose_base
from tools.container_images.bill import Bill
from tools.container_images.building import build, reference_of
from tools.container_images.engine import Engine, EngineError, find_engine

from ocr_retrain.installation.sources import Device, Image

ROOT = Path(__file__).resolve().parents[2]
BILLS = ROOT / "build" / "sbom"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; 1 with a sentence on stderr when it cannot be done."""
    parser = argparse.ArgumentParser(prog="container_images", description=__doc__)
    parser.add_argument("task", choices=["build", "sbom"])
    parser.add_argument("--device", type=Device, choices=list(Device), default=Device.CPU)
    parser.add_argument("--image", type=Image, choices=list(Image), action="append")
    parser.add_argument("--base", help="base image with Python 3.11, of Debian; default: pulled")
    asked = parser.parse_args(arguments)
    images: list[Image] = asked.image or list(Image)
    try:
        engine = find_engine()
        if asked.task == "build":
            _build(engine, images, asked.device, asked.base)
        else:
            _list_contents(engine, images, asked.device)
    except EngineError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _build(engine: Engine, images: Sequence[Image], device: Device, base: str | None) -> None:
    base = base or choose_base(engine)
    print(f"Building with {engine.builder[0]} on {base}.", flush=True)
    for built in [build(engine, ROOT, image, device, base) for image in images]:
        print(built)


def _list_contents(engine: Engine, images: Sequence[Image], device: Device) -> None:
    for image in images:
        reference = reference_of(image, device)
        if not engine.has(reference):
            raise EngineError(f"{reference} is not here; build it first: make images-{device}.")
        path = BILLS / f"{image}-{device}.cdx.json"
        print(Bill.write(engine, reference, path, version("ocr-retrain")).path)


if __name__ == "__main__":
    sys.exit(main())

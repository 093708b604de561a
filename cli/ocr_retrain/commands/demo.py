"""``ocr-retrain demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ocr_retrain.commands.options import HomeOption
from ocr_retrain.repository import find_repository, local_cloud_home


def demo_command(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the local cloud up in the background.")
    ] = False,
    results: Annotated[
        Path, typer.Option("--results", help="Where to save reports, histories and samples.")
    ] = Path("demo-results"),
    home: HomeOption = None,
) -> None:
    """Run the whole loop on this machine: no AWS account, no Docker, no GPU.

    Starts a local cloud, deploys this repository's stack, registers a real pretrained model,
    drops real labelled handwriting and watches how a better model comes to be served. Nothing is
    scripted: if it does not end as promised, it says so and exits with status 13.
    """
    # The demo's data needs libraries that would slow every other command's start.
    from ocr_retrain.demo import DemoOptions, run_demo

    options = DemoOptions(local_cloud_home(home), results.resolve(), keep)
    run_demo(find_repository(), options)

"""Serves a model in this process's own network namespace, asks it twice, prints what it answers.

``python -m tests.unit.serving.alone BASE LINE PAGE``: an /opt/ml tree and two pictures.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import httpx
from tests.network_namespace import bring_up_loopback
from tests.unit.serving.processes import serving_process


def main(base: str, line: str, page: str) -> None:
    """Print one JSON object: the answers to a line and to a page."""
    bring_up_loopback()
    headers = {"content-type": "image/png"}
    with serving_process(Path(base)) as server:
        server.wait_until_ready()
        answers = {
            mode: httpx.post(
                f"{server.url}/invocations?mode={mode}",
                content=Path(picture).read_bytes(),
                headers=headers,
                timeout=60,
            ).json()
            for mode, picture in (("line", line), ("page", page))
        }
    print(json.dumps(answers))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Serving as an endpoint with network isolation does it: where there is no network."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
from tests.network_namespace import require_namespaces, run_alone

ROOT = Path(__file__).parents[3]


def test_lines_and_pages_are_read_without_a_network(base_dir, stripes, encoded, tmp_path):
    require_namespaces()
    line, page, home = tmp_path / "line.png", tmp_path / "page.png", tmp_path / "home"
    line.write_bytes(encoded(stripes("ABCD")))
    # A page is searched for lines by a second model, which must be in the image as well.
    page.write_bytes(encoded(np.full((300, 400, 3), 255, dtype=np.uint8)))
    home.mkdir()

    done = run_alone(
        [sys.executable, "-m", "tests.unit.serving.alone", base_dir, line, page],
        {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT}:{ROOT / 'containers/shared'}:{ROOT / 'containers/inference'}",
            "HOME": str(home),
        },
    )

    assert done.returncode == 0, done.stdout
    answers = json.loads(done.stdout.splitlines()[-1])
    assert answers["line"]["predictions"][0]["text"] == "ABCD"
    assert answers["page"] == {"predictions": []}

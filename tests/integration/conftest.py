"""One local cloud for the whole session, with a tiny base model registered and served."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.stack import Stack

from localcloud import lifecycle

ROOT = Path(__file__).resolve().parents[2]
HYPERPARAMETERS = json.dumps({"epochs": "8", "generic_lines": "200", "learning_rate": "0.002"})


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("local-cloud")
    connection = lifecycle.start(
        home,
        ROOT,
        parameters={"Hyperparameters": HYPERPARAMETERS},
        bind_to_this_process=True,
        on_progress=lambda _: None,
    )
    try:
        stack = Stack(home, connection.environment(), dict(connection.outputs))
        booted = stack.run("bootstrap", "--model", "tiny")
        assert booted.code == 0, booted.stderr
        yield stack
    finally:
        lifecycle.stop(home)

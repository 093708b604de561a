"""A real local cloud with the fixture application deployed, shared by all tests here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from localcloud import lifecycle

from .harness import RECORDING, Cloud, make_app


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    directory = tmp_path_factory.mktemp("localcloud")
    home = directory / "home"
    connection = lifecycle.start(
        home,
        make_app(directory / "app"),
        bind_to_this_process=True,
        record=directory / "home" / RECORDING,
        on_progress=print,
    )
    yield Cloud(home, connection)
    lifecycle.stop(home)

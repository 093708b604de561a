"""One local cloud for the whole session, with a tiny base model registered and served."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.integration.stack import Stack, running


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("local-cloud")) as stack:
        yield stack

"""Starting the local cloud, with its errors in this program's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from localcloud import lifecycle
from localcloud.lifecycle import Connection
from ocr_retrain.errors import UserError


def start_local_cloud(
    home: Path,
    repository: Path,
    on_progress: Callable[[str], None],
    parameters: Mapping[str, str] | None = None,
    bind_to_this_process: bool = False,
) -> Connection:
    """Start a local cloud in ``home`` and return when its stack is deployed.

    ``bind_to_this_process`` ends it with this process, however that ends. Raises UserError with
    the last line of its log when it does not come up.
    """
    try:
        return lifecycle.start(
            home,
            repository,
            parameters=parameters,
            bind_to_this_process=bind_to_this_process,
            on_progress=on_progress,
        )
    except lifecycle.StartError as error:
        last_line = str(error).strip().splitlines()[-1]
        raise UserError(
            f"The local cloud did not start: {last_line} "
            f"(the whole log is {home / 'log' / 'start.log'})."
        ) from error

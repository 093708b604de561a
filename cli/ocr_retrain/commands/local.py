"""``ocr-retrain local up|down|status|logs``."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from localcloud import lifecycle
from ocr_retrain.commands.options import HomeOption, JsonOption
from ocr_retrain.errors import UserError
from ocr_retrain.local_cloud import start_local_cloud
from ocr_retrain.repository import find_repository, local_cloud_home
from ocr_retrain.terminal import show_json, show_line, tell

local_app = typer.Typer(
    no_args_is_help=True, help="The local cloud: this repository's stack without an AWS account."
)
_FOLLOW_SECONDS = 0.5


@local_app.command("up")
def up(
    home: HomeOption = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter",
            metavar="NAME=VALUE",
            show_default=False,
            help="A template parameter; may be given several times.",
        ),
    ] = None,
) -> None:
    """Start the local cloud in the background and deploy the stack into it."""
    directory = local_cloud_home(home)
    running = lifecycle.status(directory)
    if running is not None:
        show_line(f"The local cloud is up already at {running.endpoint_url}.")
        return
    connection = start_local_cloud(
        directory,
        find_repository().root,
        on_progress=lambda line: tell(f"  {line}", style="dim"),
        parameters=_parameters(parameter or []),
    )
    show_line(
        f"The local cloud is up at {connection.endpoint_url}; "
        "`ocr-retrain bootstrap` gives it a model, `ocr-retrain local down` ends it.",
    )


@local_app.command("down")
def down(home: HomeOption = None) -> None:
    """End the local cloud and everything that runs in it."""
    directory = local_cloud_home(home)
    stopped = lifecycle.stop(directory)
    show_line("The local cloud is down." if stopped else "No local cloud is up.")


@local_app.command("status")
def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Tell whether the local cloud is up, and where; exit status 1 when it is not."""
    connection = lifecycle.status(local_cloud_home(home))
    if as_json:
        show_json(None if connection is None else asdict(connection))
    elif connection is None:
        show_line("No local cloud is up.")
    else:
        show_line(f"up     {connection.endpoint_url} (process {connection.pid})")
        show_line(f"stack  {connection.stack_name}")
        for name, value in sorted(connection.outputs.items()):
            show_line(f"       {name} = {value}")
    if connection is None:
        raise typer.Exit(1)


@local_app.command("logs")
def logs(
    name: Annotated[
        str, typer.Argument(show_default=False, help="Only log files whose name contains this.")
    ] = "",
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="Lines of each file.")] = 20,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as lines come.")] = False,
    home: HomeOption = None,
) -> None:
    """Print the end of the local cloud's log files."""
    directory = local_cloud_home(home) / "log"
    files = sorted(path for path in directory.rglob("*.log") if name in path.name)
    if not files:
        wanted = f" with {name!r} in its name" if name else ""
        raise UserError(f"There is no log file{wanted} in {directory}.")
    sizes = {path: _print_tail(path, lines) for path in files}
    while follow:
        time.sleep(_FOLLOW_SECONDS)
        for path in sorted(path for path in directory.rglob("*.log") if name in path.name):
            sizes[path] = _print_from(path, sizes.get(path, 0))


def _parameters(given: list[str]) -> dict[str, str]:
    pairs = [item.partition("=") for item in given]
    for name, equals, _ in pairs:
        if not equals or not name:
            raise UserError(f"{name!r} is not of the form NAME=VALUE.")
    return {name: value for name, _, value in pairs}


def _print_tail(path: Path, lines: int) -> int:
    with path.open(errors="replace") as content:
        tail = deque(content, maxlen=lines)
        end = content.tell()
    print(f"==> {path} <==")
    print("".join(tail), end="" if not tail or tail[-1].endswith("\n") else "\n")
    return end


def _print_from(path: Path, position: int) -> int:
    with path.open(errors="replace") as content:
        content.seek(position)
        new = content.read()
        end = content.tell()
    if new:
        print(f"==> {path} <==\n{new}", end="" if new.endswith("\n") else "\n", flush=True)
    return end

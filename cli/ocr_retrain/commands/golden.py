"""``ocr-retrain golden``."""

from __future__ import annotations

from dataclasses import asdict

from rich import box
from rich.table import Table
from rich.text import Text

from ocr_retrain.commands.options import CloudOption, JsonOption, StackOption, connect_and_say
from ocr_retrain.connection import DEFAULT_STACK, CloudChoice
from ocr_retrain.terminal import show, show_json, tell
from retraining.ledger_items import Golden

_STYLES = {"registered": "green", "receiving": "cyan", "rejected": "red"}


def golden_command(
    as_json: JsonOption = False,
    cloud: CloudOption = CloudChoice.AUTO,
    stack: StackOption = DEFAULT_STACK,
) -> None:
    """List the golden sets: what every model must go on reading."""
    connection = connect_and_say(cloud, stack)
    found = connection.ledger.golden_sets()
    if as_json:
        show_json([asdict(each) for each in found])
    elif found:
        show(golden_table(found))
    else:
        tell("There is no golden set: upload one to golden/<name>/ (images/, labels/test.txt).")


def golden_table(found: tuple[Golden, ...]) -> Table:
    """Return the golden sets as a table."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("golden set")
    table.add_column("state", no_wrap=True)
    table.add_column("lines", justify="right")
    table.add_column("problems", justify="right")
    table.add_column("since", no_wrap=True)
    table.add_column("reason")
    for each in found:
        table.add_row(
            Text(each.name),
            Text(each.state, style=_STYLES.get(each.state, "")),
            str(each.lines),
            str(each.problems or "-"),
            f"{each.updated_at[:16].replace('T', ' ')} UTC",
            Text(each.reason),
        )
    return table

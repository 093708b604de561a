"""``ocr-retrain models``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from ocr_retrain.commands.options import CloudOption, JsonOption, StackOption, connect_and_say
from ocr_retrain.connection import DEFAULT_STACK, CloudChoice
from ocr_retrain.model_registry import (
    Approval,
    EndpointState,
    ModelVersion,
    describe_endpoint,
    list_versions,
    version_in,
)
from ocr_retrain.phrases import moment, percent
from ocr_retrain.terminal import show, show_json, tell

_STYLES = {Approval.APPROVED: "green", Approval.PENDING: "yellow", Approval.REJECTED: "red"}
_ACCURACY = "accuracy/"


@dataclass(frozen=True)
class ListedModel:
    """One version as it is listed: accuracies are exact-match fractions by slice name."""

    version: ModelVersion
    serving: bool
    parent: int | None
    accuracy: dict[str, float]

    @property
    def origin(self) -> str:
        """The run that trained it, or the base model it is."""
        metadata = self.version.metadata
        return metadata.get("run_id") or f"base {metadata.get('source', 'model')}"


def models_command(
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="How many of the latest versions.")
    ] = 20,
    as_json: JsonOption = False,
    cloud: CloudOption = CloudChoice.AUTO,
    stack: StackOption = DEFAULT_STACK,
) -> None:
    """List the model versions, newest first, and which one the endpoint serves."""
    connection = connect_and_say(cloud, stack)
    versions = list_versions(
        connection.sagemaker, connection.stack.model_package_group, limit=limit
    )
    endpoint = describe_endpoint(connection.sagemaker, connection.stack.endpoint)
    models = listed_models(versions, endpoint)
    if as_json:
        show_json([model_as_json(model) for model in models])
        return
    if not models:
        tell("There is no model yet: `ocr-retrain bootstrap` registers one.")
        return
    show(models_table(models))
    status = endpoint.status if endpoint else "not there yet"
    tell(f"Endpoint {connection.stack.endpoint}: {status}", style="dim")


def listed_models(
    versions: list[ModelVersion], endpoint: EndpointState | None
) -> list[ListedModel]:
    """Combine the versions with what the endpoint serves."""
    return [
        ListedModel(
            version=version,
            serving=endpoint is not None and endpoint.package_arn == version.arn,
            parent=version_in(version.metadata.get("parent_package_arn", "")),
            accuracy=_accuracy(version),
        )
        for version in versions
    ]


def models_table(models: list[ListedModel]) -> Table:
    """Return the versions as a table."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("version", justify="right")
    table.add_column("status", no_wrap=True)
    table.add_column("serves", justify="center")
    table.add_column("exact match")
    table.add_column("parent", justify="right")
    table.add_column("from", no_wrap=True)
    table.add_column("created", no_wrap=True)
    for model in models:
        approval = model.version.approval
        accuracy = "\n".join(
            f"{name} {percent(value)}" for name, value in sorted(model.accuracy.items())
        )
        table.add_row(
            str(model.version.version),
            Text(approval, style=_style(approval)),
            Text("●", style="green") if model.serving else "",
            Text(accuracy or "-"),
            "-" if model.parent is None else str(model.parent),
            Text(model.origin),
            moment(model.version.created_at),
        )
    return table


def model_as_json(model: ListedModel) -> dict[str, object]:
    """Return one version as a JSON object."""
    version = model.version
    return {
        "version": version.version,
        "package_arn": version.arn,
        "status": version.approval,
        "serving": model.serving,
        "accuracy": model.accuracy,
        "parent_version": model.parent,
        "run_id": version.metadata.get("run_id"),
        "source": version.metadata.get("source"),
        "datasets": version.metadata.get("datasets", "").split(),
        "note": version.note,
        "model_data": version.model_data,
        "created_at": version.created_at.isoformat(),
    }


def _accuracy(version: ModelVersion) -> dict[str, float]:
    found: dict[str, float] = {}
    for key, value in version.metadata.items():
        if key.startswith(_ACCURACY):
            try:
                found[key.removeprefix(_ACCURACY)] = float(value)
            except ValueError:
                continue
    return found


def _style(approval: str) -> str:
    return next((style for name, style in _STYLES.items() if name == approval), "")

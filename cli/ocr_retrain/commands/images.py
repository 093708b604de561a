"""``ocr-retrain images build|list``."""

from __future__ import annotations

from typing import Annotated

import typer

from ocr_retrain.commands.doctor import ParameterOption
from ocr_retrain.commands.options import JsonOption, StackOption
from ocr_retrain.connection import DEFAULT_STACK
from ocr_retrain.installation.account import connect_account
from ocr_retrain.installation.costs import build_cost
from ocr_retrain.installation.images import (
    BuildOptions,
    StoredImage,
    build_images,
    find_image,
    images_stack,
    list_images,
)
from ocr_retrain.installation.parameters import (
    IMAGES_TEMPLATE,
    choose_parameters,
    parse_parameters,
)
from ocr_retrain.installation.sources import Device, Image, read_sources
from ocr_retrain.installation.stacks import ensure_stack, find_stack
from ocr_retrain.repository import find_repository
from ocr_retrain.terminal import note, show_json, show_line, tell

images_app = typer.Typer(
    no_args_is_help=True,
    help="The container images: built in the AWS account, kept in its registry.",
)
DeviceOption = Annotated[
    Device | None,
    typer.Option(
        "--device",
        show_default="as before, at first gpu",
        help="What the images compute on; cpu also chooses instances without a GPU.",
    ),
]
_USUAL_MINUTES = 15


@images_app.command("build")
def build_command(
    device: DeviceOption = None,
    rebuild: Annotated[
        bool,
        typer.Option("--rebuild", help="Build anew, on today's base image, what is there too."),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show the whole build log, not only its steps.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be built, and build nothing.")
    ] = False,
    parameter: ParameterOption = None,
    as_json: JsonOption = False,
    stack: StackOption = DEFAULT_STACK,
) -> None:
    """Build both images with CodeBuild, without Docker on this machine.

    The same sources are built once. Interrupted, the builds go on, and the next call follows them.
    """
    repository = find_repository()
    account = connect_account()
    tell(account.description, style="dim")
    given = with_device(parse_parameters(parameter or []), device)
    name = images_stack(stack)
    parameters = choose_parameters(
        repository,
        given,
        find_stack(account.cloudformation, stack),
        find_stack(account.cloudformation, name),
    )
    wanted = [read_sources(repository.root, image, parameters.device) for image in Image]
    if dry_run:
        for sources in wanted:
            found = find_image(account.ecr, parameters.prefix, sources)
            cost = build_cost(parameters.images["BuildComputeType"], _USUAL_MINUTES)
            will = f"would be built from {len(sources.files)} files; {cost.formula} USD"
            show_line(f"{sources.image}  {sources.tag}  {found.uri if found else will}")
        return
    tell(f"Stack {name}")
    registry = ensure_stack(
        account.cloudformation,
        name,
        repository.root / IMAGES_TEMPLATE,
        parameters.images,
        note,
    )
    tell("Images")
    built = build_images(account, registry, wanted, note, BuildOptions(rebuild, verbose))
    _show(built, as_json)


@images_app.command("list")
def list_command(
    parameter: ParameterOption = None,
    as_json: JsonOption = False,
    stack: StackOption = DEFAULT_STACK,
) -> None:
    """List the images in the account's registry, newest first."""
    account = connect_account()
    tell(account.description, style="dim")
    parameters = choose_parameters(
        find_repository(),
        parse_parameters(parameter or []),
        find_stack(account.cloudformation, stack),
        find_stack(account.cloudformation, images_stack(stack)),
    )
    stored = [
        found for image in Image for found in list_images(account.ecr, parameters.prefix, image)
    ]
    _show(stored, as_json)


def with_device(given: dict[str, str], device: Device | None) -> dict[str, str]:
    """Return the parameters with the device among them, when one was named."""
    return {**given, "Device": device.value} if device else given


def _show(images: list[StoredImage], as_json: bool) -> None:
    if as_json:
        show_json(
            [
                {
                    "image": stored.image.value,
                    "tag": stored.tag,
                    "digest": stored.digest,
                    "uri": stored.uri,
                    "bytes": stored.bytes,
                    "pushed_at": stored.pushed_at,
                }
                for stored in images
            ]
        )
        return
    if not images:
        show_line("There are no images: `ocr-retrain images build` builds them.")
    for stored in images:
        show_line(f"{stored.image:<9}  {stored.tag}  {stored.bytes / 1e9:5.2f} GB  {stored.uri}")

"""``ocr-retrain doctor``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from localcloud import lifecycle
from ocr_retrain.commands.options import CloudOption, HomeOption, JsonOption, StackOption
from ocr_retrain.connection import DEFAULT_STACK, CloudChoice
from ocr_retrain.installation.account import NoAccountError, connect_account
from ocr_retrain.installation.account_checks import check_account
from ocr_retrain.installation.findings import Finding, Level, fine, problem, problems
from ocr_retrain.installation.images import images_stack
from ocr_retrain.installation.machine import check_machine, check_tools
from ocr_retrain.installation.parameters import choose_parameters, parse_parameters
from ocr_retrain.installation.stacks import find_stack
from ocr_retrain.repository import Repository, find_repository, local_cloud_home
from ocr_retrain.terminal import show_json, show_line, tell

ParameterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--parameter",
        metavar="NAME=VALUE",
        show_default=False,
        help="A parameter of template.yaml or images.yaml; may be given several times.",
    ),
]
_SIGNS = {Level.FINE: ("✓", "green"), Level.NOTICE: ("!", "yellow"), Level.PROBLEM: ("✗", "red")}


def doctor_command(
    parameter: ParameterOption = None,
    as_json: JsonOption = False,
    cloud: CloudOption = CloudChoice.AUTO,
    stack: StackOption = DEFAULT_STACK,
    home: HomeOption = None,
) -> None:
    """Check an AWS account (or, for the local cloud, this machine) and say how to fix it.

    Nothing is changed. Exit status: 0 nothing is in the way, 1 something is.
    """
    repository = find_repository()
    directory = local_cloud_home(home)
    if _is_local(cloud, directory):
        tell("this machine, for the local cloud", style="dim")
        findings = check_machine(repository, directory)
    else:
        findings = _check_aws(repository, stack, parse_parameters(parameter or []))
    if as_json:
        show_json([finding.as_json() for finding in findings])
    else:
        show_findings(findings)
        show_line(summary(findings))
    if problems(findings):
        raise typer.Exit(1)


def show_findings(findings: Sequence[Finding]) -> None:
    """Print each finding on its line, with its fix below it."""
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        sign, style = _SIGNS[finding.level]
        show_line(Text.assemble((sign, style), f" {finding.subject:<{width}}  ", finding.message))
        if finding.fix:
            show_line(f"  {'':<{width}}  -> {finding.fix}")


def summary(findings: Sequence[Finding]) -> str:
    """Return what the findings come to, in a sentence."""
    count = len(problems(findings))
    if count:
        return f"{count} of {len(findings)} checks found something that is in the way."
    notices = sum(finding.level is Level.NOTICE for finding in findings)
    return "Nothing is in the way." + (f" {notices} worth knowing." if notices else "")


def _is_local(cloud: CloudChoice, home: Path) -> bool:
    if cloud is CloudChoice.AUTO:
        return lifecycle.status(home) is not None
    return cloud is CloudChoice.LOCAL


def _check_aws(repository: Repository, stack: str, given: dict[str, str]) -> list[Finding]:
    tools = check_tools(repository)
    try:
        account = connect_account()
    except NoAccountError as error:
        return [*tools, problem("credentials", error.problem, error.fix)]
    application = find_stack(account.cloudformation, stack)
    images = find_stack(account.cloudformation, images_stack(stack))
    parameters = choose_parameters(repository, given, application, images)
    return [
        *tools,
        fine("credentials", f"{account.description}."),
        *check_account(account, repository, parameters, application, images, stack),
    ]

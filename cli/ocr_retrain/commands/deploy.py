"""``ocr-retrain deploy``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from localcloud.sam_template import read_template
from ocr_retrain.base_model import PACKAGED, PRETRAINED
from ocr_retrain.commands.doctor import ParameterOption, show_findings, summary
from ocr_retrain.commands.images import DeviceOption, with_device
from ocr_retrain.commands.options import JsonOption, StackOption
from ocr_retrain.connection import DEFAULT_STACK
from ocr_retrain.errors import UserError
from ocr_retrain.installation.account import connect_account
from ocr_retrain.installation.asking import require_agreement
from ocr_retrain.installation.costs import monthly_costs, total
from ocr_retrain.installation.deploying import Deployment, Order, Step
from ocr_retrain.installation.findings import problems
from ocr_retrain.installation.parameters import TEMPLATE, parse_parameters
from ocr_retrain.repository import Repository, find_repository
from ocr_retrain.terminal import note, show_json, show_line, tell


def deploy_command(
    parameter: ParameterOption = None,
    device: DeviceOption = None,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            help=f"The base model, when none is approved yet: {', '.join(PACKAGED)}, a folder or a "
            "model.tar.gz.",
        ),
    ] = PRETRAINED,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and show every step, and change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    skip_checks: Annotated[
        bool, typer.Option("--skip-checks", help="Go on although a check found a problem.")
    ] = False,
    as_json: JsonOption = False,
    stack: StackOption = DEFAULT_STACK,
) -> None:
    """Install everything in the AWS account: checks, images, stack, base model, endpoint.

    Each step looks at what is there, so that a call that was interrupted is simply repeated, and a
    later one brings a changed checkout or changed parameters. Region and profile are those of the
    AWS CLI (AWS_DEFAULT_REGION, AWS_PROFILE). Parameters that are not named stay as deployed.
    """
    repository = find_repository()
    account = connect_account()
    tell(account.description, style="dim")
    given = with_device(parse_parameters(parameter or []), device)
    order = Order(stack, given, model, confirm=not yes)
    deployment = Deployment(account, repository, order, note)
    findings = deployment.checks()
    steps = deployment.steps()
    if as_json and dry_run:
        show_json(
            {
                "findings": [finding.as_json() for finding in findings],
                "steps": [step.as_json() for step in steps],
            }
        )
    else:
        show_findings(findings)
        show_line(summary(findings))
        _show_steps(steps)
        show_line(_cost(repository, deployment))
    if problems(findings) and not skip_checks:
        if dry_run:
            raise typer.Exit(1)
        raise UserError(
            "Nothing was changed. Fix what is marked with ✗ above, or add --skip-checks."
        )
    if dry_run:
        return
    if not yes:
        require_agreement("Go on?")
    _run(steps)
    show_line(
        f"Stack {stack} is deployed and serves: `ocr-retrain drop DIR` uploads labelled data, "
        "`ocr-retrain models` shows what serves, `ocr-retrain destroy` removes it all."
    )


def _run(steps: Sequence[Step]) -> None:
    for number, step in enumerate(steps, start=1):
        tell(f"[{number}/{len(steps)}] {step.title}", style="bold")
        if not step.is_needed:
            note(f"there already: {step.found}")
            continue
        if step.command:
            note(f"$ {step.command}", style="dim")
        step.run()


def _show_steps(steps: Sequence[Step]) -> None:
    for number, step in enumerate(steps, start=1):
        show_line(f"{number}. {step.title}: {step.found}")
        if step.is_needed and step.command:
            show_line(f"   $ {step.command}")


def _cost(repository: Repository, deployment: Deployment) -> str:
    template = read_template(repository.root / TEMPLATE)
    lines = monthly_costs(template, deployment.parameters.application)
    sum_of_all = total(lines)
    largest = lines[0]
    if sum_of_all is None:
        return f"There is no price for {largest.formula.split(' at ')[0]}; see docs/cost.md."
    return (
        f"When nothing happens this costs about {sum_of_all:,.0f} USD a month (list prices of "
        f"us-east-1), {largest.dollars:,.0f} of it for the endpoint; see docs/cost.md."
    )

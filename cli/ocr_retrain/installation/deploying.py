"""The first installation and every later one, step by step; each step looks at what is there."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ocr_retrain.bootstrap import bootstrap
from ocr_retrain.bootstrap import deploy as deploy_endpoint
from ocr_retrain.connection import Cloud
from ocr_retrain.errors import UserError
from ocr_retrain.installation.account_checks import check_account
from ocr_retrain.installation.findings import Finding
from ocr_retrain.installation.images import build_images, find_image, images_stack
from ocr_retrain.installation.machine import check_tools
from ocr_retrain.installation.parameters import (
    IMAGES_TEMPLATE,
    URI_PARAMETERS,
    Parameters,
    choose_parameters,
)
from ocr_retrain.installation.sam import build_command, deploy_command, run_sam, shown
from ocr_retrain.installation.sources import Image, Sources, read_sources
from ocr_retrain.installation.stacks import ensure_stack, find_stack
from ocr_retrain.model_registry import describe_endpoint, latest_approved
from ocr_retrain.stack import read_stack

if TYPE_CHECKING:
    from ocr_retrain.installation.account import Account
    from ocr_retrain.repository import Repository

_SHORT_COMMIT = 12


@dataclass(frozen=True)
class Step:
    """One step: what it does, what was found, the command it stands for; ``run`` does it."""

    title: str
    found: str
    is_needed: bool
    run: Callable[[], None]
    command: str = ""

    def as_json(self) -> dict[str, object]:
        """Return the step for ``--json``."""
        return {
            "step": self.title,
            "found": self.found,
            "needed": self.is_needed,
            "command": self.command,
        }


@dataclass(frozen=True)
class Order:
    """What a person asks for: parameters by name, the base model, whether to confirm changes."""

    stack: str
    given: Mapping[str, str]
    model: str
    confirm: bool


class Deployment:
    """The way of one stack into one account."""

    def __init__(
        self,
        account: Account,
        repository: Repository,
        order: Order,
        on_progress: Callable[[str], None],
    ) -> None:
        """Look at both stacks; raises UserError for parameters that the templates refuse."""
        self._account = account
        self._repository = repository
        self._order = order
        self._progress = on_progress
        self._application = find_stack(account.cloudformation, order.stack)
        self._images = find_stack(account.cloudformation, images_stack(order.stack))
        self.parameters: Parameters = choose_parameters(
            repository, order.given, self._application, self._images
        )
        self._uris = {
            image: uri for image in Image if (uri := self.parameters.given_uri(image)) != ""
        }

    def checks(self) -> list[Finding]:
        """Return what the account and this machine lack."""
        return [
            *check_tools(self._repository),
            *check_account(
                self._account,
                self._repository,
                self.parameters,
                self._application,
                self._images,
                self._order.stack,
            ),
        ]

    def steps(self) -> list[Step]:
        """Return all steps in their order, with what is there already."""
        steps = []
        if self._wanted:
            steps += [self._registry_step(), *(self._image_step(each) for each in self._wanted)]
        return [*steps, self._build_step(), self._deploy_step(), self._model_step()]

    @cached_property
    def _wanted(self) -> list[Sources]:
        return [
            read_sources(self._repository.root, image, self.parameters.device)
            for image in Image
            if image not in self._uris
        ]

    def _registry_step(self) -> Step:
        name = images_stack(self._order.stack)
        found = self._images.status if self._images else "not there"
        parameters = " ".join(f"{key}={value}" for key, value in self.parameters.images.items())
        return Step(
            title=f"Create or update stack {name} (repositories, image builds)",
            found=found,
            # CloudFormation itself finds out whether anything differs.
            is_needed=True,
            run=self._make_registry,
            command=f"aws cloudformation deploy --stack-name {name} --template-file "
            f"{IMAGES_TEMPLATE} --capabilities CAPABILITY_IAM --parameter-overrides {parameters}",
        )

    def _make_registry(self) -> None:
        self._images = ensure_stack(
            self._account.cloudformation,
            images_stack(self._order.stack),
            self._repository.root / IMAGES_TEMPLATE,
            self.parameters.images,
            self._progress,
        )

    def _image_step(self, sources: Sources) -> Step:
        stored = find_image(self._account.ecr, self.parameters.prefix, sources)
        return Step(
            title=f"Build the {sources.image} image {sources.tag}",
            found=stored.uri if stored else "not built",
            is_needed=stored is None,
            run=self._build_images,
            command="ocr-retrain images build",
        )

    def _build_images(self) -> None:
        # All of them, because they are built side by side; the next step finds them there.
        if self._images is None:
            raise UserError(f"Stack {images_stack(self._order.stack)} is gone.")
        missing = [sources for sources in self._wanted if sources.image not in self._uris]
        for stored in build_images(self._account, self._images, missing, self._progress):
            self._uris[stored.image] = stored.uri
            self._progress(f"{stored.image}: {stored.uri}")

    def _build_step(self) -> Step:
        return Step(
            title="Build the functions",
            found="built anew where they changed",
            is_needed=True,
            run=lambda: run_sam(self._repository, build_command()),
            command=shown(build_command()),
        )

    def _deploy_step(self) -> Step:
        stack = self._application
        return Step(
            title=f"Create or update stack {self._order.stack}",
            found=stack.status if stack else "not there",
            is_needed=True,
            run=self._deploy,
            command=shown(self._deploy_command, self._overrides(self._planned_uris())),
        )

    @property
    def _deploy_command(self) -> list[str]:
        return deploy_command(self._order.stack, self._account.region, self._order.confirm)

    def _planned_uris(self) -> dict[Image, str]:
        """Return the images that are there, and the tags of those that are to be built."""
        planned = dict(self._uris)
        registry = f"{self._account.number}.dkr.ecr.{self._account.region}.{self._domain}"
        for sources in self._wanted:
            found = find_image(self._account.ecr, self.parameters.prefix, sources)
            repository = f"{registry}/{self.parameters.prefix}/{sources.image}"
            planned[sources.image] = found.uri if found else f"{repository}:{sources.tag}"
        return planned

    @property
    def _domain(self) -> str:
        return "amazonaws.com" + (".cn" if self._account.region.startswith("cn-") else "")

    def _overrides(self, uris: Mapping[Image, str]) -> dict[str, str]:
        named = {URI_PARAMETERS[image]: uri for image, uri in uris.items()}
        version = {"CodeVersion": commit} if (commit := self._commit) else {}
        return {**version, **self.parameters.named, **named}

    @cached_property
    def _commit(self) -> str:
        """The commit that is deployed, empty where there is no git."""
        try:
            done = subprocess.run(
                ["git", "describe", "--always", "--dirty", f"--abbrev={_SHORT_COMMIT}"],
                cwd=self._repository.root,
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError:
            return ""
        return done.stdout.strip() if done.returncode == 0 else ""

    def _deploy(self) -> None:
        self._build_images_that_are_there()
        run_sam(self._repository, self._deploy_command, self._overrides(self._uris))
        self._application = find_stack(self._account.cloudformation, self._order.stack)
        if self._application is None or not self._application.is_deployed:
            raise UserError(f"Stack {self._order.stack} was not deployed.")

    def _build_images_that_are_there(self) -> None:
        # Steps of images that were there already did not run, and told no digest.
        for sources in self._wanted:
            if sources.image not in self._uris:
                self._build_images()

    def _model_step(self) -> Step:
        found, is_needed = self._served()
        return Step(
            title="Register a base model and deploy the endpoint",
            found=found,
            is_needed=is_needed,
            run=self._serve,
            command=f"ocr-retrain bootstrap --stack {self._order.stack} --model "
            f"{self._order.model}",
        )

    def _served(self) -> tuple[str, bool]:
        if self._application is None or not self._application.is_deployed:
            return "no model yet", True
        prefix = self.parameters.prefix
        approved = latest_approved(self._account.sagemaker, prefix)
        if approved is None:
            return "no approved version", True
        endpoint = describe_endpoint(self._account.sagemaker, prefix)
        if endpoint is None:
            return f"version {approved.version} is approved, there is no endpoint", True
        is_served = endpoint.status == "InService" and endpoint.package_arn == approved.arn
        return f"version {approved.version} is approved, endpoint {endpoint.status}", not is_served

    def _serve(self) -> None:
        cloud = Cloud(
            session=self._account.session,
            endpoint_url=None,
            description=self._account.description,
            stack=read_stack(self._account.cloudformation, self._order.stack),
        )
        # A base model would take the place of what was trained since.
        if latest_approved(cloud.sagemaker, cloud.stack.model_package_group) is None:
            bootstrap(cloud, self._repository, self._order.model)
        else:
            deploy_endpoint(cloud)

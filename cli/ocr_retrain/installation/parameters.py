"""The values of both templates' parameters: given, as deployed, by device, or by default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localcloud.sam_template import ParameterError, TemplateError, read_template, resolve_parameters
from ocr_retrain.errors import UserError
from ocr_retrain.installation.sources import Device, Image
from ocr_retrain.installation.stacks import DeployedStack
from ocr_retrain.repository import Repository

TEMPLATE = "template.yaml"
IMAGES_TEMPLATE = "images.yaml"
URI_PARAMETERS = {Image.TRAINING: "TrainingImageUri", Image.INFERENCE: "InferenceImageUri"}
# What differs from the template's defaults, which are for GPUs.
_ON_CPU = {
    "TrainingInstanceType": "ml.c5.4xlarge",
    "EndpointInstanceType": "ml.c5.xlarge",
    "InferenceAmiVersion": "",
    "TranscriptionInstanceType": "ml.c5.2xlarge",
    "TranscriptionAmiVersion": "",
}
_PLACEHOLDER = "123456789012.dkr.ecr.us-east-1.amazonaws.com/images/any:tag"


@dataclass(frozen=True)
class Parameters:
    """Every value of both templates, and those that a deployment has to name.

    ``application`` and ``images`` hold all values (the image URIs only where they were given);
    ``named`` holds those that neither the template nor the deployed stack would give.
    """

    application: Mapping[str, str]
    images: Mapping[str, str]
    named: Mapping[str, str]

    @property
    def prefix(self) -> str:
        """What begins the name of everything."""
        return self.application["Prefix"]

    @property
    def device(self) -> Device:
        """What the images compute on."""
        return Device(self.images["Device"])

    def given_uri(self, image: Image) -> str:
        """Return the image that a person named, empty when it is to be built."""
        return self.named.get(URI_PARAMETERS[image], "")


def parse_parameters(given: Sequence[str]) -> dict[str, str]:
    """Return ``NAME=VALUE`` texts as a mapping; raises UserError for other forms."""
    values = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise UserError(f"{item!r} is not of the form NAME=VALUE.")
        values[name] = value
    return values


def choose_parameters(
    repository: Repository,
    given: Mapping[str, str],
    application: DeployedStack | None = None,
    images: DeployedStack | None = None,
) -> Parameters:
    """Return all values; raises UserError for names and values that the templates refuse."""
    declared = _declared(repository, TEMPLATE)
    declared_images = _declared(repository, IMAGES_TEMPLATE)
    unknown = sorted(set(given) - set(declared) - set(declared_images))
    if unknown:
        raise UserError(
            f"Neither {TEMPLATE} nor {IMAGES_TEMPLATE} has a parameter {', '.join(unknown)}."
        )
    deployed = application.parameters if application and application.is_deployed else {}
    built = images.parameters if images and images.is_deployed else {}
    prefix = {"Prefix": deployed["Prefix"]} if "Prefix" in deployed else {}
    for_images = _values(declared_images, {**built, **prefix, **given})
    _forbid_another_prefix(given, deployed, built)
    by_device = _by_device(declared, Device(for_images["Device"]), {**deployed, **given})
    named = {
        **by_device,
        **_foreign_images(deployed, images),
        "Prefix": for_images["Prefix"],
        **{name: value for name, value in given.items() if name in declared},
    }
    uris = {name: _PLACEHOLDER for name in URI_PARAMETERS.values() if name not in named}
    values = _values(declared, {**deployed, **uris, **named})
    return Parameters(
        application={name: value for name, value in values.items() if name not in uris},
        images=for_images,
        named=named,
    )


def _foreign_images(deployed: Mapping[str, str], images: DeployedStack | None) -> dict[str, str]:
    # Without a stack that builds images, those that are deployed were named by a person.
    if images is not None:
        return {}
    return {name: deployed[name] for name in URI_PARAMETERS.values() if deployed.get(name)}


def _forbid_another_prefix(given: Mapping[str, str], *deployed: Mapping[str, str]) -> None:
    # Everything would be made anew under other names, and what is there would be lost.
    for values in deployed:
        if given.get("Prefix", values.get("Prefix")) != values.get("Prefix"):
            raise UserError(
                f"The stack that is deployed has the Prefix {values['Prefix']}, which cannot be "
                "changed: give another one its own stack with --stack."
            )


def _by_device(
    declared: Mapping[str, Any], device: Device, known: Mapping[str, str]
) -> dict[str, str]:
    chosen = {}
    for name, on_cpu in _ON_CPU.items():
        on_gpu = str(declared[name]["Default"])
        usual = on_cpu if device is Device.CPU else on_gpu
        value = known.get(name, usual)
        # The usual value of the other device was nobody's choice.
        chosen[name] = usual if value in (on_cpu, on_gpu) else value
    return chosen


def _declared(repository: Repository, template: str) -> Mapping[str, Any]:
    try:
        declared: Mapping[str, Any] = read_template(repository.root / template)["Parameters"]
    except TemplateError as error:
        raise UserError(str(error)) from error
    return declared


def _values(declared: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, str]:
    own = {name: value for name, value in known.items() if name in declared}
    try:
        return resolve_parameters({"Parameters": declared}, own)
    except ParameterError as error:
        raise UserError(str(error)) from error

"""The kinds of networks that can be trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from finetuning.configuration import ConfigError
from finetuning.families import mobilenet, plain, pplcnet, ppocrv6
from finetuning.families.family import Depth, Family, Front

__all__ = [
    "FAMILY_KEY",
    "Depth",
    "Family",
    "Front",
    "family_of",
    "family_of_model",
    "family_of_size",
]

FAMILY_KEY = "family"
"""The key of config.yml's Architecture that tells families with the same network apart."""

# The first of a backbone's families is meant where the configuration does not say.
_FAMILIES: Mapping[str, tuple[Family, ...]] = {
    pplcnet.BACKBONE: (pplcnet.PP_OCRV4_MOBILE, pplcnet.PP_OCRV5_MOBILE),
    mobilenet.BACKBONE: (mobilenet.PP_OCRV3_MOBILE,),
    ppocrv6.BACKBONE: (ppocrv6.PP_OCRV6_SMALL,),
    plain.BACKBONE: (plain.TINY,),
}
# PP-OCRv4 mobile has 6,625 outputs, PP-OCRv5 mobile 18,385; those of single languages have few.
_MANY_CLASSES = 12_000


def family_of(architecture: Mapping[str, Any]) -> Family:
    """Return the family of a network that is described as in config.yml's Architecture.

    Raises ConfigError when there is none.
    """
    try:
        backbone = str(architecture["Backbone"]["name"])
    except (KeyError, TypeError) as error:
        raise ConfigError("config.yml names no Architecture.Backbone.name.") from error
    families = _FAMILIES.get(backbone, ())
    if not families:
        known = ", ".join(_FAMILIES)
        raise ConfigError(
            f"Networks with the backbone {backbone} cannot be trained (only {known})."
        )
    wanted = architecture.get(FAMILY_KEY, families[0].name)
    for family in families:
        if family.name == wanted:
            return family
    raise ConfigError(f"config.yml names the family {wanted}, which has no backbone {backbone}.")


def family_of_model(model_name: str) -> Family:
    """Return the family of PaddleOCR 3's name of a model, whatever its language.

    Raises ConfigError when there is none.
    """
    families = [family for group in _FAMILIES.values() for family in group]
    for family in families:
        if model_name.endswith(family.model_name):
            return family
    known = ", ".join(family.model_name for family in families)
    raise ConfigError(f"{model_name} cannot be trained; only these can: {known}.")


def family_of_size(architecture: Mapping[str, Any], classes: int) -> Family:
    """Return the family of a network that nothing names: the size of its dictionary decides.

    Raises ConfigError when there is none.
    """
    if classes > _MANY_CLASSES and architecture["Backbone"]["name"] == pplcnet.BACKBONE:
        return pplcnet.PP_OCRV5_MOBILE
    return family_of(architecture)

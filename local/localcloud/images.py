"""Read ``local/images.yaml``: which runtime stands in for which container image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from localcloud.context import LocalImage


class ImagesFileError(ValueError):
    """``images.yaml`` is missing or malformed."""


class _Image(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    path: list[str]
    pythonpath: list[str] = []
    env: dict[str, str] = {}


class _ImagesFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    images: dict[str, _Image]


def load_images(file: Path, repo: Path) -> Mapping[str, LocalImage]:
    """Return image URI -> local image; relative paths in ``file`` are relative to ``repo``.

    Raises ImagesFileError when the file cannot be read or has another shape.
    """
    try:
        content = _ImagesFile.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ImagesFileError(f"{file} is missing: it maps image URIs to runtimes.") from None
    except (yaml.YAMLError, ValidationError) as error:
        raise ImagesFileError(f"{file} is malformed: {error}") from error
    return {uri: _resolve(image, repo) for uri, image in content.images.items()}


def _resolve(image: _Image, repo: Path) -> LocalImage:
    return LocalImage(
        name=image.name,
        path_prefix=tuple(repo / path for path in image.path),
        env={name: value.replace("{repo}", str(repo)) for name, value in image.env.items()},
        pythonpath=tuple(repo / path for path in image.pythonpath),
    )

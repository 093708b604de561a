"""What can be set from outside, read once from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

if TYPE_CHECKING:
    from recognition.images import ImageLimits

_MEGABYTE = 1024 * 1024
_DETECTION_PACKAGE = "rapidocr"
_DETECTION_FILE = "rapidocr/models/PP-OCRv6_det_small.onnx"


class EngineName(StrEnum):
    """Which library runs the networks; `auto` takes the fastest one that is there."""

    AUTO = "auto"
    OPENVINO = "openvino"
    ONNXRUNTIME = "onnxruntime"


class SettingsError(ValueError):
    """An environment variable cannot be used; the message is one sentence."""


def _packaged_detection_model() -> Path:
    try:
        return Path(str(distribution(_DETECTION_PACKAGE).locate_file(_DETECTION_FILE)))
    except PackageNotFoundError:
        return Path(_DETECTION_FILE)


def _available_cpus() -> int:
    # A container may be given fewer CPUs than the host has.
    return len(os.sched_getaffinity(0))


class Settings(BaseModel):
    """Each field is read from the environment variable named by its alias."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    host: str = Field("0.0.0.0", alias="SERVE_HOST", min_length=1)
    port: int = Field(8080, alias="SAGEMAKER_BIND_TO_PORT", ge=0, le=65535)
    base_dir: Path = Field(Path("/opt/ml"), alias="SAGEMAKER_BASE_DIR")
    detection_model: Path = Field(
        default_factory=_packaged_detection_model, alias="DETECTION_MODEL"
    )
    engine: EngineName = Field(EngineName.AUTO, alias="SERVE_ENGINE")
    threads: int = Field(default_factory=_available_cpus, alias="SERVE_THREADS", ge=1)
    log_level: str = Field(
        "INFO", alias="LOG_LEVEL", pattern=r"^(?i:debug|info|warning|error|critical)$"
    )
    # What a request gets that says nothing about it: those of a transform job never do.
    mode: Literal["line", "page"] = Field("line", alias="SERVE_MODE")
    min_confidence: float = Field(0.0, alias="SERVE_MIN_CONFIDENCE", ge=0.0, le=1.0)
    # SageMaker says so in the container of a transform job.
    batch: bool = Field(False, alias="SAGEMAKER_BATCH")

    max_body_megabytes: int = Field(25, alias="MAX_BODY_MEGABYTES", ge=1, le=100)
    max_image_pixels: int = Field(50_000_000, alias="MAX_IMAGE_PIXELS", ge=1)
    max_images: int = Field(256, alias="MAX_IMAGES_PER_REQUEST", ge=1)
    max_requests: int = Field(64, alias="MAX_CONCURRENT_REQUESTS", ge=1)
    max_waiting_megabytes: int = Field(256, alias="MAX_WAITING_MEGABYTES", ge=1)
    max_decoded_pages: int = Field(4, alias="MAX_DECODED_PAGES", ge=1)
    max_decoded_lines: int = Field(512, alias="MAX_DECODED_LINES", ge=1)
    # None: what is best on the device.
    max_batch_lines: int | None = Field(None, alias="MAX_BATCH_LINES", ge=1)
    # SageMaker abandons a request after 60 s: an answer later than that helps nobody.
    request_seconds: float = Field(55, alias="REQUEST_SECONDS", gt=0)
    # Who stalls while sending keeps a place that others could have.
    body_seconds: float = Field(20, alias="BODY_SECONDS", gt=0)
    # Work that takes longer hangs: the process is started anew.
    hang_seconds: float = Field(120, alias="HANG_SECONDS", gt=0)
    shutdown_seconds: int = Field(20, alias="SHUTDOWN_SECONDS", ge=0, le=24)
    detection_max_side: int = Field(1280, alias="DETECTION_MAX_SIDE", ge=32, le=8192)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings. Raises SettingsError naming the variable that is wrong."""
        try:
            return cls.model_validate({name: value for name, value in environment.items() if value})
        except ValidationError as error:
            first = error.errors()[0]
            raise SettingsError(
                f"Environment variable {first['loc'][0]} is {first['input']!r}: {first['msg']}."
            ) from error

    @property
    def model_dir(self) -> Path:
        """Where SageMaker unpacks model.tar.gz."""
        return self.base_dir / "model"

    @property
    def max_body_bytes(self) -> int:
        """Largest request body in bytes."""
        return self.max_body_megabytes * _MEGABYTE

    @property
    def max_waiting_bytes(self) -> int:
        """What the bodies of all requests may take together; one always fits."""
        return max(self.max_waiting_megabytes * _MEGABYTE, self.max_body_bytes)

    @property
    def image_limits(self) -> ImageLimits:
        """What one image may measure."""
        # The process that only watches over the server reads settings too, but no images.
        from recognition.images import ImageLimits

        return ImageLimits(max_bytes=self.max_body_bytes, max_pixels=self.max_image_pixels)

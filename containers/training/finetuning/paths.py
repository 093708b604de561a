"""Where SageMaker puts a job's files, under one base directory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_DEFAULT_BASE = "/opt/ml"


@dataclass(frozen=True)
class JobPaths:
    """The files and directories of one job."""

    base: Path

    @classmethod
    def from_environment(cls) -> JobPaths:
        """Read SAGEMAKER_BASE_DIR; /opt/ml when it is not set."""
        return cls(Path(os.environ.get("SAGEMAKER_BASE_DIR", _DEFAULT_BASE)))

    @property
    def hyperparameters(self) -> Path:
        """JSON object of strings."""
        return self.base / "input/config/hyperparameters.json"

    @property
    def resources(self) -> Path:
        """JSON object with the names of the job's hosts; may be absent."""
        return self.base / "input/config/resourceconfig.json"

    @property
    def champion(self) -> Path:
        """The archive training starts from."""
        return self.base / "input/data/champion/model.tar.gz"

    @property
    def labels(self) -> Path:
        """Holds train.txt and perhaps replay.txt and dev.txt."""
        return self.base / "input/data/labels"

    @property
    def images(self) -> Path:
        """Images by bucket key."""
        return self.base / "input/data/training"

    @property
    def model(self) -> Path:
        """What SageMaker packs as the job's model.tar.gz."""
        return self.base / "model"

    @property
    def training_failure(self) -> Path:
        """Its text becomes the training job's FailureReason."""
        return self.base / "output/failure"

    @property
    def checkpoints(self) -> Path:
        """Synchronised with S3 while a training job runs."""
        return self.base / "checkpoints"

    @property
    def processing_input(self) -> Path:
        """Holds champion/, candidate/, slices/ and images/."""
        return self.base / "processing/input"

    @property
    def processing_output(self) -> Path:
        """What a processing job uploads."""
        return self.base / "processing/output"

    @property
    def processing_message(self) -> Path:
        """Its text becomes the processing job's ExitMessage."""
        return self.base / "output/message"

"""/opt/ml as SageMaker lays it out, with a tiny model and a few labelled lines."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.digit_lines import dot_matrix, write_folder

RUN = "20260101-000000-abcdef"
QUICK = {"run_id": RUN, "epochs": "8", "generic_lines": "100", "learning_rate": "0.002"}
HOST = "algo-1"


@dataclass(frozen=True)
class OptMl:
    """The directory that a container sees as /opt/ml."""

    base: Path

    def write(self, name: str, content: Any) -> None:
        """Write a JSON file below it."""
        path = self.base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")

    @property
    def training_mounts(self) -> dict[str, Path]:
        """What SageMaker mounts into a training job."""
        names = ("input", "model", "output", "checkpoints")
        return {f"/opt/ml/{name}": self._made(name) for name in names}

    @property
    def processing_mounts(self) -> dict[str, Path]:
        """What SageMaker mounts into a processing job."""
        names = ("processing/input", "processing/output", "config", "output")
        return {f"/opt/ml/{name}": self._made(name) for name in names}

    def _made(self, name: str) -> Path:
        path = self.base / name
        path.mkdir(parents=True, exist_ok=True)
        return path


TRAINING_OUTPUTS = ("/opt/ml/model", "/opt/ml/output", "/opt/ml/checkpoints")
PROCESSING_OUTPUTS = ("/opt/ml/processing/output", "/opt/ml/output")


def training_job(base: Path, champion: Path, **hyperparameters: str) -> OptMl:
    """Lay out a training job of the tiny model on lines that are new to it."""
    job = OptMl(base)
    data = base / "input" / "data"
    dataset = write_folder(base / "dataset", dot_matrix, {"train": 120, "dev": 30}, seed=1)
    keys = data / "training" / "incoming" / "dots"
    shutil.copytree(dataset / "images", keys / "images")
    (data / "labels").mkdir()
    for name in ("train", "dev"):
        _label(dataset / "labels" / f"{name}.txt", data / "labels" / f"{name}.txt")
    (data / "champion").mkdir()
    shutil.copy(champion, data / "champion" / "model.tar.gz")
    job.write("input/config/hyperparameters.json", {**QUICK, **hyperparameters})
    instance = {"current_instance_type": "ml.g5.xlarge", "current_group_name": "homogeneousCluster"}
    hosts = {"current_host": HOST, "hosts": [HOST], "network_interface_name": "eth0"}
    group = {
        "instance_group_name": "homogeneousCluster",
        "instance_type": "ml.g5.xlarge",
        "hosts": [HOST],
    }
    resources = {**hosts, **instance, "instance_groups": [group]}
    job.write("input/config/resourceconfig.json", resources)
    channel = {
        "TrainingInputMode": "File",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "None",
    }
    channels = dict.fromkeys(("champion", "labels", "training"), channel)
    job.write("input/config/inputdataconfig.json", channels)
    return job


def evaluation_job(base: Path, champion: Path, candidate: Path) -> OptMl:
    """Lay out the processing job that compares two models on one slice of new lines."""
    job = OptMl(base)
    source = base / "processing" / "input"
    for role, archive in (("champion", champion), ("candidate", candidate)):
        (source / role).mkdir(parents=True)
        shutil.copy(archive, source / role / "model.tar.gz")
    dataset = write_folder(base / "dataset", dot_matrix, {"test": 60}, seed=2)
    keys = source / "images" / "incoming" / "dots"
    shutil.copytree(dataset / "images", keys / "images")
    (source / "slices").mkdir()
    _label(dataset / "labels" / "test.txt", source / "slices" / "new--dots.txt")
    listed = {"name": "dots", "kind": "new", "file": "new--dots.txt", "lines": 60}
    job.write("processing/input/slices/slices.json", {"slices": [listed]})
    job.write("config/resourceconfig.json", {"current_host": HOST, "hosts": [HOST]})
    job.write("config/processingjobconfig.json", {"ProcessingJobName": f"{RUN}-evaluate"})
    return job


def _label(source: Path, target: Path) -> None:
    lines = source.read_text(encoding="utf-8").splitlines()
    target.write_text("".join(f"incoming/dots/{line}\n" for line in lines), encoding="utf-8")

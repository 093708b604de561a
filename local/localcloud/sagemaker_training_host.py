"""One machine of a training job: its directory, what SageMaker puts there, and its container."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localcloud.clients import Clients
from localcloud.context import CloudContext, LocalImage
from localcloud.sagemaker_api import Document
from localcloud.sagemaker_containers import Container, container_environment, local_path
from localcloud.sagemaker_logs import LogStream
from localcloud.sagemaker_storage import S3Location
from localcloud.sagemaker_training_job import TrainingJob
from localcloud.sagemaker_transfer import DirectorySync, Transfer

# Container hosts are called algo-1 and so on, on AWS; here no such name resolves, and code that
# looks it up hangs for minutes. All of 127.0.0.0/8 is this machine.
_ONLY_HOST = "localhost"
_HOST = "127.0.0.{}"
_READ_ONLY = 0o444


@dataclass(frozen=True)
class TrainingHost:
    """The ``number``th machine of a job, from 1, below ``base``."""

    job: TrainingJob
    transfer: Transfer
    base: Path
    number: int

    def write_configuration(self) -> None:
        """Write what a container finds in ``/opt/ml/input/config``."""
        request = self.job.request
        for name in ("input/config", "input/data", "model", "output/data"):
            (self.base / name).mkdir(parents=True)
        resources = request.get("ResourceConfig", {})
        instance_type = resources.get("InstanceType", "local")
        hosts = _names(self.job.instance_count)
        self._write("hyperparameters", request.get("HyperParameters", {}))
        self._write(
            "resourceconfig",
            {
                "current_host": hosts[self.number - 1],
                "current_instance_type": instance_type,
                "current_group_name": "homogeneousCluster",
                "hosts": hosts,
                "instance_groups": [
                    {
                        "instance_group_name": "homogeneousCluster",
                        "instance_type": instance_type,
                        "hosts": hosts,
                    }
                ],
                "network_interface_name": "lo",
            },
        )
        channels = request.get("InputDataConfig", [])
        self._write(
            "inputdataconfig", {each["ChannelName"]: self._channel(each) for each in channels}
        )

    def download(self) -> None:
        """Fetch the channels and, as every host of a job does, the checkpoints so far."""
        for channel in self.job.request.get("InputDataConfig", []):
            source = channel["DataSource"]["S3DataSource"]
            files = self.transfer.resolve(source["S3Uri"], source["S3DataType"])
            directory = self.base / "input" / "data" / channel["ChannelName"]
            self.transfer.download(files, directory)
            if self._input_mode(channel) == "FastFile":
                for file in files:
                    (directory / file.path).chmod(_READ_ONLY)
        checkpoints = self._checkpoints()
        if checkpoints is not None:
            directory, prefix = checkpoints
            self.transfer.download(self.transfer.resolve(f"{prefix}/", "S3Prefix"), directory)

    def sync(self) -> DirectorySync | None:
        """Return what uploads checkpoints: all hosts of a job to the same prefix."""
        checkpoints = self._checkpoints()
        return DirectorySync(self.transfer, *checkpoints) if checkpoints else None

    def log(self, clients: Clients) -> LogStream:
        """Return what follows the container's output."""
        return LogStream(
            clients,
            self._log_file,
            "/aws/sagemaker/TrainingJobs",
            f"{self.job.name}/algo-{self.number}-{int(time.time())}",
            self.job.observe,
        )

    def container(
        self, context: CloudContext, image: LocalImage, environment: Mapping[str, str]
    ) -> Container:
        """Return the container, its log file created; ``environment`` is added to the job's."""
        request = self.job.request
        specification = request["AlgorithmSpecification"]
        variables = container_environment(
            context,
            image,
            self.base,
            {
                **environment,
                **request.get("Environment", {}),
                "TRAINING_JOB_NAME": self.job.name,
                "TRAINING_JOB_ARN": self.job.arn,
            },
            isolated=request.get("EnableNetworkIsolation", False),
        )
        command = [
            *specification.get("ContainerEntrypoint", ["train"]),
            *specification.get("ContainerArguments", []),
        ]
        self._log_file.touch()
        return Container(self.job.name, image, command, variables, self.base, self._log_file)

    @property
    def failure(self) -> str:
        """What the container left in its failure file; empty when it left none."""
        file = self.base / "output" / "failure"
        return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""

    @property
    def _log_file(self) -> Path:
        return self.base / "log.txt"

    def _write(self, name: str, content: Document) -> None:
        file = self.base / "input" / "config" / f"{name}.json"
        file.write_text(json.dumps(content), encoding="utf-8")

    def _input_mode(self, channel: Document) -> str:
        of_job = self.job.request["AlgorithmSpecification"]["TrainingInputMode"]
        return str(channel.get("InputMode", of_job))

    def _channel(self, channel: Document) -> Document:
        source = channel["DataSource"]["S3DataSource"]
        described = {
            "TrainingInputMode": self._input_mode(channel),
            "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
            "RecordWrapperType": "None",
        }
        if "ContentType" in channel:
            described["ContentType"] = channel["ContentType"]
        return described

    def _checkpoints(self) -> tuple[Path, S3Location] | None:
        config = self.job.request.get("CheckpointConfig")
        if config is None:
            return None
        directory = local_path(self.base, config.get("LocalPath", "/opt/ml/checkpoints"))
        return directory, S3Location.parse(config["S3Uri"].rstrip("/"))


def _names(count: int) -> list[str]:
    """Return names under which the processes of so many hosts reach one another here."""
    if count == 1:
        return [_ONLY_HOST]
    return [_HOST.format(number) for number in range(1, count + 1)]

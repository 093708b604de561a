"""What a training job does between CreateTrainingJob and its last status.

AWS downloads the channels and earlier checkpoints, runs ``train``, keeps uploading the
checkpoints, and packs ``/opt/ml/model`` and ``/opt/ml/output/data`` into S3, also when the job
was stopped. moto does none of it.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

from localcloud.clients import Clients
from localcloud.context import CloudContext, LocalImage
from localcloud.sagemaker_api import Document
from localcloud.sagemaker_containers import (
    Container,
    ContainerExit,
    container_environment,
    fresh_directory,
    image_of,
    local_path,
    run,
)
from localcloud.sagemaker_errors import JobInputError
from localcloud.sagemaker_jobs import FAILURE_CHARACTERS
from localcloud.sagemaker_logs import LogStream
from localcloud.sagemaker_storage import S3Location
from localcloud.sagemaker_training_job import TrainingJob
from localcloud.sagemaker_transfer import DirectorySync, Transfer, files_below, pack

# Container hosts are called algo-1 on AWS; here no such name resolves, and code that looks it up
# hangs for minutes.
_HOST = "localhost"


class TrainingRun:
    """Runs one training job to its end."""

    def __init__(
        self,
        context: CloudContext,
        clients: Clients,
        transfer: Transfer,
        job: TrainingJob,
        stop_grace_seconds: float,
    ) -> None:
        """The job's directory is ``<home>/sagemaker/training/<job>``."""
        self._context = context
        self._clients = clients
        self._transfer = transfer
        self._job = job
        self._grace_seconds = stop_grace_seconds
        self._base = context.home / "sagemaker" / "training" / job.name

    def execute(self) -> None:
        """Do everything; raises JobInputError for data or an image that cannot be used."""
        image = image_of(
            self._context, self._job.request["AlgorithmSpecification"]["TrainingImage"]
        )
        fresh_directory(self._base)
        self._job.enter("Downloading", "Downloading input data")
        self._write_configuration()
        self._download()
        if self._job.stop.is_set():
            self._job.end_stopped()
            return
        self._job.enter("Training", "Training image download completed. Training in progress.")
        ended = self._train(image)
        if ended.ended_by == "itself" and ended.code != 0:
            self._upload("output/data", "output.tar.gz")
            self._job.fail(self._algorithm_error(ended.code))
            return
        self._job.enter("Uploading", "Uploading generated training model")
        self._upload("model", "model.tar.gz")
        self._upload("output/data", "output.tar.gz")
        self._finish(ended)

    def _finish(self, ended: ContainerExit) -> None:
        if ended.ended_by == "timeout":
            self._job.end_timed_out()
        elif ended.ended_by == "stop":
            self._job.end_stopped()
        else:
            # By far the largest part; the log and the results stay for the curious.
            shutil.rmtree(self._base / "input" / "data", ignore_errors=True)
            self._job.complete()

    def _write_configuration(self) -> None:
        request = self._job.request
        for name in ("input/config", "input/data", "model", "output/data"):
            (self._base / name).mkdir(parents=True)
        resources = request.get("ResourceConfig", {})
        instance_type = resources.get("InstanceType", "local")
        self._write("hyperparameters", request.get("HyperParameters", {}))
        self._write(
            "resourceconfig",
            {
                "current_host": _HOST,
                "current_instance_type": instance_type,
                "current_group_name": "homogeneousCluster",
                "hosts": [_HOST],
                "instance_groups": [
                    {
                        "instance_group_name": "homogeneousCluster",
                        "instance_type": instance_type,
                        "hosts": [_HOST],
                    }
                ],
                "network_interface_name": "lo",
            },
        )
        channels = request.get("InputDataConfig", [])
        self._write("inputdataconfig", {each["ChannelName"]: _channel(each) for each in channels})

    def _write(self, name: str, content: Document) -> None:
        file = self._base / "input" / "config" / f"{name}.json"
        file.write_text(json.dumps(content), encoding="utf-8")

    def _download(self) -> None:
        for channel in self._job.request.get("InputDataConfig", []):
            source = channel["DataSource"]["S3DataSource"]
            files = self._transfer.resolve(source["S3Uri"], source["S3DataType"])
            directory = self._base / "input" / "data" / channel["ChannelName"]
            self._transfer.download(files, directory)
        checkpoints = self._checkpoints()
        if checkpoints is not None:
            directory, prefix = checkpoints
            self._transfer.download(self._transfer.resolve(f"{prefix}/", "S3Prefix"), directory)

    def _checkpoints(self) -> tuple[Path, S3Location] | None:
        config = self._job.request.get("CheckpointConfig")
        if config is None:
            return None
        directory = local_path(self._base, config.get("LocalPath", "/opt/ml/checkpoints"))
        return directory, S3Location.parse(config["S3Uri"].rstrip("/"))

    def _train(self, image: LocalImage) -> ContainerExit:
        log = LogStream(
            self._clients,
            self._base / "log.txt",
            "/aws/sagemaker/TrainingJobs",
            f"{self._job.name}/algo-1-{int(time.time())}",
            self._job.observe,
        )
        checkpoints = self._checkpoints()
        sync = DirectorySync(self._transfer, *checkpoints) if checkpoints else None
        container = self._container(image)
        container.log_file.touch()
        log.start()
        if sync is not None:
            sync.start()
        try:
            return run(
                container,
                stop=self._job.stop,
                max_seconds=self._job.max_runtime_seconds,
                grace_seconds=self._grace_seconds,
            )
        finally:
            log.finish()
            if sync is not None:
                sync.finish()

    def _container(self, image: LocalImage) -> Container:
        request = self._job.request
        specification = request["AlgorithmSpecification"]
        environment = container_environment(
            self._context,
            image,
            self._base,
            {
                **request.get("Environment", {}),
                "TRAINING_JOB_NAME": self._job.name,
                "TRAINING_JOB_ARN": self._job.arn,
            },
            isolated=request.get("EnableNetworkIsolation", False),
        )
        command = [
            *specification.get("ContainerEntrypoint", ["train"]),
            *specification.get("ContainerArguments", []),
        ]
        return Container(
            self._job.name, image, command, environment, self._base, self._base / "log.txt"
        )

    def _algorithm_error(self, exit_code: int) -> str:
        """AWS shows the beginning of the failure file; the whole reason has a limit."""
        file = self._base / "output" / "failure"
        text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
        head, tail = "AlgorithmError: ", f", exit code: {exit_code}"
        return head + text[: FAILURE_CHARACTERS - len(head) - len(tail)].strip() + tail

    def _upload(self, directory: str, archive: str) -> None:
        source = self._base / directory
        if not files_below(source):
            return
        file = self._base / archive
        pack(source, file)
        try:
            self._transfer.upload_file(file, S3Location.parse(f"{self._job.output_uri}/{archive}"))
        except JobInputError as error:
            raise JobInputError(f"Artifact upload failed: {error}") from error
        finally:
            file.unlink()


def _channel(channel: Document) -> Document:
    source = channel["DataSource"]["S3DataSource"]
    described = {
        "TrainingInputMode": "File",
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": "None",
    }
    if "ContentType" in channel:
        described["ContentType"] = channel["ContentType"]
    return described

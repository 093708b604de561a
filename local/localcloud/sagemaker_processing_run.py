"""What a processing job does between CreateProcessingJob and its last status.

AWS downloads the inputs to their LocalPath below ``/opt/ml/processing``, runs the entry point,
uploads the outputs (at the end, or all along in Continuous mode) and reports
``/opt/ml/output/message`` as ExitMessage. moto does none of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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
from localcloud.sagemaker_logs import LogStream
from localcloud.sagemaker_processing_job import ProcessingJob
from localcloud.sagemaker_storage import S3Location
from localcloud.sagemaker_transfer import DirectorySync, Transfer, files_below

_MESSAGE_CHARACTERS = 1024
_HOST = "localhost"


class ProcessingRun:
    """Runs one processing job to its end."""

    def __init__(
        self,
        context: CloudContext,
        clients: Clients,
        transfer: Transfer,
        job: ProcessingJob,
        stop_grace_seconds: float,
    ) -> None:
        """The job's directory is ``<home>/sagemaker/processing/<job>``."""
        self._context = context
        self._clients = clients
        self._transfer = transfer
        self._job = job
        self._grace_seconds = stop_grace_seconds
        self._base = context.home / "sagemaker" / "processing" / job.name

    def execute(self) -> None:
        """Do everything; raises JobInputError for data or an image that cannot be used."""
        image = image_of(self._context, self._job.request["AppSpecification"]["ImageUri"])
        fresh_directory(self._base)
        self._write_configuration()
        self._download()
        if self._job.stop.is_set():
            self._job.end("Stopped", exit_message=None)
            return
        self._job.note_start()
        ended = self._process(image)
        message = self._exit_message()
        if ended.ended_by != "itself":
            self._job.end("Stopped", exit_message=message)
        elif ended.code != 0:
            reason = f"AlgorithmError: {message or ''}, exit code: {ended.code}"
            self._job.end("Failed", exit_message=message, failure=reason)
        else:
            self._upload()
            self._job.end("Completed", exit_message=message)

    def _write_configuration(self) -> None:
        config = self._base / "config"
        config.mkdir()
        (self._base / "output").mkdir()
        described = {**self._job.request, "ProcessingJobArn": self._job.arn}
        (config / "processingjobconfig.json").write_text(json.dumps(described), encoding="utf-8")
        resources = {"current_host": _HOST, "hosts": [_HOST]}
        (config / "resourceconfig.json").write_text(json.dumps(resources), encoding="utf-8")

    def _download(self) -> None:
        for data in self._job.request.get("ProcessingInputs", []):
            source = data["S3Input"]
            files = self._transfer.resolve(source["S3Uri"], source["S3DataType"])
            if not files:
                raise JobInputError(
                    f"Failed to download data for input {data['InputName']}: no S3 objects found "
                    f"under {source['S3Uri']}"
                )
            self._transfer.download(files, local_path(self._base, source["LocalPath"]))
        for directory, _, _ in self._outputs():
            directory.mkdir(parents=True, exist_ok=True)

    def _process(self, image: LocalImage) -> ContainerExit:
        container = self._container(image)
        container.log_file.touch()
        with ExitStack() as running:
            running.enter_context(self._logging(container.log_file))
            for directory, prefix, mode in self._outputs():
                if mode == "Continuous":
                    sync = DirectorySync(self._transfer, directory, prefix)
                    sync.start()
                    running.callback(sync.finish)
            return run(
                container,
                stop=self._job.stop,
                max_seconds=self._job.max_runtime_seconds,
                grace_seconds=self._grace_seconds,
            )

    @contextmanager
    def _logging(self, file: Path) -> Iterator[None]:
        stream = f"{self._job.name}/algo-1-{int(time.time())}"
        log = LogStream(self._clients, file, "/aws/sagemaker/ProcessingJobs", stream)
        log.start()
        try:
            yield
        finally:
            log.finish()

    def _container(self, image: LocalImage) -> Container:
        application = self._job.request["AppSpecification"]
        requested: Document = {
            **self._job.request.get("Environment", {}),
            "PROCESSING_JOB_NAME": self._job.name,
            "PROCESSING_JOB_ARN": self._job.arn,
        }
        environment = container_environment(
            self._context, image, self._base, requested, isolated=self._job.isolated
        )
        command = [
            *application["ContainerEntrypoint"],
            *application.get("ContainerArguments", []),
        ]
        return Container(
            self._job.name, image, command, environment, self._base, self._base / "log.txt"
        )

    def _outputs(self) -> list[tuple[Path, S3Location, str]]:
        config = self._job.request.get("ProcessingOutputConfig", {})
        return [
            (
                local_path(self._base, output["S3Output"]["LocalPath"]),
                S3Location.parse(output["S3Output"]["S3Uri"]),
                output["S3Output"]["S3UploadMode"],
            )
            for output in config.get("Outputs", [])
        ]

    def _upload(self) -> None:
        for directory, prefix, mode in self._outputs():
            if mode == "EndOfJob":
                self._transfer.upload(files_below(directory), directory, prefix)

    def _exit_message(self) -> str | None:
        file = self._base / "output" / "message"
        if not file.is_file():
            return None
        return file.read_text(encoding="utf-8", errors="replace")[:_MESSAGE_CHARACTERS].strip()

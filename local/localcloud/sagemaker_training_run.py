"""What a training job does between CreateTrainingJob and its last status.

AWS downloads the channels and earlier checkpoints, runs ``train``, keeps uploading the
checkpoints, and packs ``/opt/ml/model`` and ``/opt/ml/output/data`` into S3, also when the job
was stopped. moto does none of it.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
from collections.abc import Iterator

from localcloud.clients import Clients
from localcloud.context import CloudContext, LocalImage
from localcloud.sagemaker_containers import (
    ContainerExit,
    fresh_directory,
    image_of,
    run_together,
)
from localcloud.sagemaker_errors import JobInputError
from localcloud.sagemaker_jobs import FAILURE_CHARACTERS
from localcloud.sagemaker_storage import S3Location
from localcloud.sagemaker_training_host import TrainingHost
from localcloud.sagemaker_training_job import TrainingJob
from localcloud.sagemaker_transfer import Transfer, files_below, pack


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
        """The job's directory is ``<home>/sagemaker/training/<job>``.

        Several hosts have directories of their own in it.
        """
        self._context = context
        self._clients = clients
        self._transfer = transfer
        self._job = job
        self._grace_seconds = stop_grace_seconds
        self._base = context.home / "sagemaker" / "training" / job.name
        count = job.instance_count
        self._hosts = [
            TrainingHost(
                job, transfer, self._base if count == 1 else self._base / f"algo-{number}", number
            )
            for number in range(1, count + 1)
        ]

    def execute(self) -> None:
        """Do everything; raises JobInputError for data or an image that cannot be used."""
        image = image_of(
            self._context, self._job.request["AlgorithmSpecification"]["TrainingImage"]
        )
        fresh_directory(self._base)
        self._job.enter("Downloading", "Downloading input data")
        for host in self._hosts:
            host.write_configuration()
            host.download()
        if self._job.stop.is_set():
            self._job.end_stopped()
            return
        self._job.enter("Training", "Training image download completed. Training in progress.")
        ended = self._train(image)
        for host, each in zip(self._hosts, ended, strict=True):
            if each.ended_by == "itself" and each.code != 0:
                self._upload("output/data", "output.tar.gz")
                self._job.fail(_algorithm_error(host.failure, each.code))
                return
        self._job.enter("Uploading", "Uploading generated training model")
        self._upload("model", "model.tar.gz")
        self._upload("output/data", "output.tar.gz")
        self._finish({each.ended_by for each in ended})

    def _finish(self, ended_by: set[str]) -> None:
        if "timeout" in ended_by:
            self._job.end_timed_out()
        elif "stop" in ended_by:
            self._job.end_stopped()
        else:
            # By far the largest part; the log and the results stay for the curious.
            for host in self._hosts:
                shutil.rmtree(host.base / "input" / "data", ignore_errors=True)
            self._job.complete()

    def _train(self, image: LocalImage) -> list[ContainerExit]:
        environment = {} if len(self._hosts) == 1 else {"MASTER_PORT": str(_free_ports())}
        containers = [host.container(self._context, image, environment) for host in self._hosts]
        with contextlib.ExitStack() as stack:
            for host in self._hosts:
                sync = host.sync()
                if sync is not None:
                    stack.callback(sync.finish)
                    sync.start()
                log = host.log(self._clients)
                stack.callback(log.finish)
                log.start()
            return run_together(
                containers,
                stop=self._job.stop,
                max_seconds=self._job.max_runtime_seconds,
                grace_seconds=self._grace_seconds,
            )

    def _upload(self, directory: str, archive: str) -> None:
        """Upload what all hosts have in a directory, as one archive."""
        sources = [host.base / directory for host in self._hosts]
        if not any(files_below(source) for source in sources):
            return
        file = self._base / archive
        pack(sources, file)
        try:
            self._transfer.upload_file(file, S3Location.parse(f"{self._job.output_uri}/{archive}"))
        except JobInputError as error:
            raise JobInputError(f"Artifact upload failed: {error}") from error
        finally:
            file.unlink()


def _algorithm_error(text: str, exit_code: int) -> str:
    """AWS shows the beginning of the failure file; the whole reason has a limit."""
    head, tail = "AlgorithmError: ", f", exit code: {exit_code}"
    return head + text[: FAILURE_CHARACTERS - len(head) - len(tail)].strip() + tail


def _free_ports() -> int:
    """Return a port that is free together with the next one.

    On AWS every job has a network of its own; here jobs share this machine's.
    """
    for port in _some_ports():
        with socket.socket() as second, contextlib.suppress(OSError, OverflowError):
            second.bind(("", port + 1))
            return port
    raise RuntimeError("unreachable")


def _some_ports() -> Iterator[int]:
    while True:
        with socket.socket() as first:
            first.bind(("", 0))
            yield int(first.getsockname()[1])

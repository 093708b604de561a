"""The processes of a training job: on which hosts they run, and how they find one another.

Imports neither Paddle nor anything else that takes long to load: the process that starts the others
needs no more than this. The variables are those of paddle.distributed.launch:
https://www.paddlepaddle.org.cn/documentation/docs/en/api/paddle/distributed/launch_en.html
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetuning.paths import JobPaths

RANK = "PADDLE_TRAINER_ID"
SIZE = "PADDLE_TRAINERS_NUM"
MASTER_ADDRESS = "MASTER_ADDR"
MASTER_PORT = "MASTER_PORT"

_DEFAULT_PORT = 29500
_ALONE = ("localhost",)
_LOOPBACK = "lo"
# Names of hosts are known to one another some time after their containers have started.
_NAME_SECONDS = 120.0
_PAUSE_SECONDS = 1.0


class ClusterError(ValueError):
    """The job's processes cannot be laid out as asked; the message is one sentence."""


class ProcessLostError(RuntimeError):
    """Another process of the job failed or cannot be reached any more.

    `told` is whether it said why; the message is one sentence either way.
    """

    def __init__(self, sentence: str, *, told: bool) -> None:
        """Keep the sentence."""
        super().__init__(sentence)
        self.told = told


@dataclass(frozen=True)
class Cluster:
    """The hosts of a job, each with as many processes; a process trains on one GPU, or on a CPU."""

    hosts: tuple[str, ...]
    current: str
    interface: str
    processes_per_host: int

    @classmethod
    def of(cls, paths: JobPaths) -> Cluster:
        """Read what SageMaker says of the hosts and the hyperparameter `processes_per_host`.

        Without that there is one process per GPU, or one on a host without GPUs. Raises
        ClusterError.
        """
        resources = _json_object(paths.resources)
        hosts = tuple(sorted(resources.get("hosts") or _ALONE))
        current = str(resources.get("current_host", hosts[0]))
        if current not in hosts:
            raise ClusterError(
                f"{paths.resources.name} names the host {current}, which is none of its hosts."
            )
        return cls(
            hosts,
            current,
            str(resources.get("network_interface_name", _LOOPBACK)),
            _processes(paths.hyperparameters, _gpus()),
        )

    @property
    def size(self) -> int:
        """How many processes there are on all hosts together."""
        return len(self.hosts) * self.processes_per_host

    def rank(self, local: int) -> int:
        """Return the number of a process of this host among all."""
        return self.hosts.index(self.current) * self.processes_per_host + local

    def name(self, local: int) -> str:
        """Return what people are told of a process of this host."""
        return f"Process {self.rank(local) + 1} of {self.size} on {self.current}"

    def environments(self, given: Mapping[str, str]) -> list[dict[str, str]]:
        """Return the variables of this host's processes, `given` ones among them.

        Waits until the first host's name is known. Raises ClusterError when it never is.
        """
        port = int(given.get(MASTER_PORT, _DEFAULT_PORT))
        endpoints = self._endpoints(port)
        threads = str(max(1, (os.cpu_count() or 1) // self.processes_per_host))
        shared = {
            **given,
            SIZE: str(self.size),
            MASTER_ADDRESS: _address(self.hosts[0]),
            MASTER_PORT: str(port),
            "PADDLE_TRAINER_ENDPOINTS": ",".join(endpoints),
            "GLOO_SOCKET_IFNAME": self.interface,
            "NCCL_SOCKET_IFNAME": self.interface,
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "NUMBA_NUM_THREADS": threads,
        }
        return [
            {
                **shared,
                RANK: str(self.rank(local)),
                "PADDLE_CURRENT_ENDPOINT": endpoints[self.rank(local)],
                "PADDLE_LOCAL_RANK": str(local),
                "FLAGS_selected_gpus": str(local),
            }
            for local in range(self.processes_per_host)
        ]

    def _endpoints(self, port: int) -> list[str]:
        """Return a name for every process; nothing listens there."""
        return [
            f"{host}:{port + local}"
            for host in self.hosts
            for local in range(self.processes_per_host)
        ]


def _json_object(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ClusterError(f"{path.name} is not JSON.") from error
    if not isinstance(content, dict):
        raise ClusterError(f"{path.name} is not a JSON object.")
    return content


def _gpus() -> int:
    """Count the GPUs that the container was given; no runtime needs to be loaded for that."""
    return sum(path.name.removeprefix("nvidia").isdigit() for path in Path("/dev").glob("nvidia*"))


def _processes(hyperparameters: Path, gpus: int) -> int:
    given = str(_json_object(hyperparameters).get("processes_per_host", "auto"))
    # Whatever is no number is told by the process that checks all hyperparameters.
    if not given.isdigit() or int(given) < 1:
        return max(1, gpus)
    if 0 < gpus < int(given):
        raise ClusterError(
            f"The hyperparameter processes_per_host is {given}, but a host has {gpus} GPUs; "
            "a process needs one of its own."
        )
    return int(given)


def _address(host: str) -> str:
    deadline = time.monotonic() + _NAME_SECONDS
    while True:
        try:
            return socket.gethostbyname(host)
        except OSError as error:
            if time.monotonic() >= deadline:
                raise ClusterError(
                    f"The host {host} has no address after {_NAME_SECONDS:.0f} seconds ({error}); "
                    "the hosts of a job must reach one another."
                ) from error
        time.sleep(_PAUSE_SECONDS)


def rank_and_size(environment: Mapping[str, str]) -> tuple[int, int]:
    """Return which of how many processes this one is, by its variables."""
    return int(environment.get(RANK, "0")), int(environment.get(SIZE, "1"))

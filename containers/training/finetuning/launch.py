"""Starting a training: in this process when it is the only one, else in processes of its own.

Of several processes this one trains nothing. It hands SIGTERM on, ends all of its host when one
fails, and tells of those that could not tell anything themselves.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from finetuning.cluster import RANK, Cluster, ClusterError
from finetuning.interruption import StopRequest
from finetuning.paths import JobPaths
from finetuning.startup import imports_reported_to, report

_POLL_SECONDS = 0.1
# Others learn of a failure at their next exchange, and tell it in their own words.
_GRACE_SECONDS = 20.0


def main(stop: StopRequest) -> int:
    """Do this host's part: 0 when done or interrupted, 1 with the reason in the failure file."""
    paths = JobPaths.from_environment()
    try:
        cluster = Cluster.of(paths)
        if cluster.size > 1 and RANK not in os.environ:
            return _Host(cluster, paths, stop).run(cluster.environments(os.environ))
    except ClusterError as error:
        report(paths.training_failure, str(error))
        return 1
    with imports_reported_to(paths.training_failure):
        from finetuning.train import main as train
    return train(stop)


@dataclass(frozen=True)
class _Host:
    """The processes of this host, from their start to the end of the last."""

    cluster: Cluster
    paths: JobPaths
    stop: StopRequest

    def run(self, environments: Sequence[Mapping[str, str]]) -> int:
        children = [
            subprocess.Popen([sys.executable, *sys.argv], env=dict(environment))
            for environment in environments
        ]
        try:
            codes = self._wait(children)
        finally:
            for child in children:
                child.kill()
                child.wait()
        for local, code in enumerate(codes):
            if code < 0 and not self.paths.training_failure.exists():
                report(self.paths.training_failure, self._killed(local, -code))
        return 1 if any(codes) else 0

    def _wait(self, children: Sequence[subprocess.Popen[bytes]]) -> list[int]:
        """Wait for all; after the first that fails the others have little time left."""
        told, deadline = False, float("inf")
        while any(child.poll() is None for child in children) and time.monotonic() < deadline:
            if self.stop.terminated and not told:
                told = True
                for child in children:
                    child.terminate()
            if deadline == float("inf") and any(child.returncode for child in children):
                deadline = time.monotonic() + _GRACE_SECONDS
            time.sleep(_POLL_SECONDS)
        # Those that were left did not fail by themselves.
        return [child.returncode or 0 for child in children]

    def _killed(self, local: int, number: int) -> str:
        return (
            f"{self.cluster.name(local)} was ended by signal {number}, mostly for lack of memory; "
            "use a smaller batch_size or a larger instance."
        )

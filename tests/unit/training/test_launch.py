"""How processes are laid out over hosts and GPUs, and what is told of those that just end."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from finetuning import cluster, launch
from finetuning.cluster import Cluster, ClusterError
from finetuning.interruption import StopRequest
from finetuning.paths import JobPaths


def lay_out(base: Path, hyperparameters: dict[str, Any], resources: object = None) -> JobPaths:
    config = base / "input/config"
    config.mkdir(parents=True, exist_ok=True)
    (config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
    if resources is not None:
        (config / "resourceconfig.json").write_text(
            resources if isinstance(resources, str) else json.dumps(resources)
        )
    return JobPaths(base)


TWO_HOSTS = {
    "current_host": "127.0.0.2",
    "hosts": ["127.0.0.2", "127.0.0.1"],
    "network_interface_name": "eth0",
}


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda count: monkeypatch.setattr(cluster, "_gpus", lambda: count)


def test_without_anything_said_there_is_one_process(tmp_path: Path, gpus: Any) -> None:
    gpus(0)
    assert Cluster.of(JobPaths(tmp_path)).size == 1


@pytest.mark.parametrize(("wanted", "expected"), [({}, 4), ({"processes_per_host": "2"}, 2)])
def test_every_gpu_has_a_process_unless_fewer_are_asked_for(
    tmp_path: Path, gpus: Any, wanted: dict[str, str], expected: int
) -> None:
    gpus(4)
    assert Cluster.of(lay_out(tmp_path, wanted)).processes_per_host == expected


def test_processes_are_numbered_over_the_sorted_hosts(
    tmp_path: Path, gpus: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus(2)
    monkeypatch.setattr(cluster.os, "cpu_count", lambda: 8)
    found = Cluster.of(lay_out(tmp_path, {}, TWO_HOSTS)).environments({"KEPT": "1"})

    assert [each["PADDLE_TRAINER_ID"] for each in found] == ["2", "3"]
    assert [each["FLAGS_selected_gpus"] for each in found] == ["0", "1"]
    for each in found:
        assert each["PADDLE_TRAINERS_NUM"] == "4"
        assert each["MASTER_ADDR"] == "127.0.0.1"
        assert each["NCCL_SOCKET_IFNAME"] == each["GLOO_SOCKET_IFNAME"] == "eth0"
        assert each["OMP_NUM_THREADS"] == "4"
        assert each["KEPT"] == "1"
        endpoints = each["PADDLE_TRAINER_ENDPOINTS"].split(",")
        assert endpoints[int(each["PADDLE_TRAINER_ID"])] == each["PADDLE_CURRENT_ENDPOINT"]
        assert len(set(endpoints)) == 4


@pytest.mark.parametrize(
    ("hyperparameters", "resources", "reason"),
    [
        ({}, {**TWO_HOSTS, "current_host": "algo-9"}, "names the host algo-9"),
        ({}, "[]", "resourceconfig.json is not a JSON object"),
        ({}, "{", "resourceconfig.json is not JSON"),
        ({"processes_per_host": "3"}, TWO_HOSTS, "but a host has 2 GPUs"),
    ],
)
def test_what_cannot_be_laid_out_is_told(
    tmp_path: Path, gpus: Any, hyperparameters: dict[str, str], resources: object, reason: str
) -> None:
    gpus(2)
    with pytest.raises(ClusterError, match=reason):
        Cluster.of(lay_out(tmp_path, hyperparameters, resources))


def run_as(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, stop: StopRequest | None = None
) -> int:
    """Run the launcher with two processes that execute the code."""
    lay_out(tmp_path, {"processes_per_host": "2"})
    script = tmp_path / "train"
    script.write_text(
        "import os, signal, sys, time\nrank = os.environ['PADDLE_TRAINER_ID']\n" + code
    )
    monkeypatch.setattr(cluster, "_gpus", lambda: 0)
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setattr(launch, "_GRACE_SECONDS", 0.5)
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    return launch.main(stop or StopRequest())


def test_a_process_that_was_killed_ends_the_others_and_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "os.kill(os.getpid(), signal.SIGKILL) if rank == '1' else time.sleep(60)\n"

    assert run_as(tmp_path, monkeypatch, code) == 1

    told = (tmp_path / "output/failure").read_text()
    assert told.startswith("Process 2 of 2 on localhost was ended by signal 9")


def test_a_process_that_told_its_failure_is_not_spoken_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "output").mkdir()
    code = (
        f"if rank == '1':\n    open({str(tmp_path / 'output/failure')!r}, 'w').write('Ink.')\n"
        "    sys.exit(1)\n"
        f"while not os.path.exists({str(tmp_path / 'output/failure')!r}): time.sleep(0.01)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )

    assert run_as(tmp_path, monkeypatch, code) == 1

    assert (tmp_path / "output/failure").read_text() == "Ink."


def test_sigterm_reaches_every_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        f"path = {str(tmp_path)!r} + '/told-' + rank\n"
        "signal.signal(signal.SIGTERM, lambda *_: (open(path, 'w').close(), sys.exit(0)))\n"
        f"open({str(tmp_path)!r} + '/up-' + rank, 'w').close()\ntime.sleep(60)\n"
    )

    class WhenUp(StopRequest):
        @property
        def terminated(self) -> bool:
            return len(list(tmp_path.glob("up-*"))) == 2

        @terminated.setter
        def terminated(self, value: bool) -> None:
            pass

    assert run_as(tmp_path, monkeypatch, code, WhenUp()) == 0
    assert len(list(tmp_path.glob("told-*"))) == 2

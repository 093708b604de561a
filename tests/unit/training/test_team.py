"""Several processes train together what one would train alone, and stop, go on and fail together.

Every process is the container's own entry point; hosts are directories with their own
resourceconfig.json, and meet on loopback.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import finetuning
import recognition
from finetuning.interruption import StopRequest
from finetuning.train import main
from finetuning.weights import load_weights

MakeJob = Callable[..., Any]

CODE = [Path(part.__path__[0]).parent for part in (finetuning, recognition)]
ENTRY = CODE[0] / "bin" / "train"
HOSTS = ("127.0.0.1", "127.0.0.2")
STEP = re.compile(r"epoch=(\d+)/\d+ step=(\d+)/\d+ loss=(\S+)")
# Adding up the same numbers in another order changes less than a millionth of a weight.
LOSS_TOLERANCE = 1e-3
WEIGHT_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Ended:
    """How a host's container ended."""

    code: int
    out: str
    err: str


def free_ports() -> int:
    """Return a port that is free, and so is the next."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("", port + 1))
            except (OSError, OverflowError):
                continue
            return port


def make_hosts(job: Any) -> list[Path]:
    """Give every host the job's input, as SageMaker does with replicated channels."""
    bases = []
    for number, name in enumerate(HOSTS, start=1):
        base = job.base.with_name(f"{job.base.name}-host-{number}")
        shutil.copytree(job.base / "input", base / "input")
        resources = {"current_host": name, "hosts": list(HOSTS), "network_interface_name": "lo"}
        (base / "input/config/resourceconfig.json").write_text(json.dumps(resources))
        bases.append(base)
    return bases


@contextmanager
def started(*bases: Path) -> Iterator[list[subprocess.Popen[str]]]:
    port = str(free_ports())
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", str(ENTRY)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": ":".join(map(str, CODE)),
                "SAGEMAKER_BASE_DIR": str(base),
                "MASTER_PORT": port,
            },
        )
        for base in bases
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.terminate()
            process.communicate()


def ended(process: subprocess.Popen[str], read: str = "") -> Ended:
    out, err = process.communicate()
    return Ended(process.returncode, read + out, err)


def read_until(process: subprocess.Popen[str], word: str) -> str:
    assert process.stdout is not None
    read = ""
    for line in process.stdout:
        read += line
        if word in line:
            break
    return read


def losses(output: str) -> dict[tuple[int, int], float]:
    return {(int(e), int(s)): float(loss) for e, s, loss in STEP.findall(output)}


def manifest(base: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((base / "model/manifest.json").read_text())
    return content


def weights(base: Path) -> dict[str, Any]:
    return load_weights(base / "model/best_accuracy.pdparams")


def assert_same_curve(found: str, expected: str) -> None:
    """A line tells the mean of ten steps, of fewer after a restart: that epoch is left out."""
    resumed = re.search(r"Resumed at epoch (\d+)", found)
    curve, wanted = losses(found), losses(expected)
    compared = [place for place in wanted if resumed is None or place[0] != int(resumed[1])]
    assert len(compared) >= 3
    for place in compared:
        assert curve[place] == pytest.approx(wanted[place], rel=LOSS_TOLERANCE, abs=1e-3), place


def assert_same_training(found: Path, curve: str, expected: Path, expected_curve: str) -> None:
    assert_same_curve(curve, expected_curve)
    same = ("blend", "dev_exact_match", "guard_exact_match", "new_lines")
    metrics, wanted = (manifest(base)["metrics"] for base in (found, expected))
    assert {name: metrics[name] for name in same} == {name: wanted[name] for name in same}
    for name, value in weights(expected).items():
        np.testing.assert_allclose(weights(found)[name], value, atol=WEIGHT_TOLERANCE, err_msg=name)


def test_two_hosts_stop_together_when_one_is_told_to_and_end_as_one_process_would(
    make_job: MakeJob, capsys: pytest.CaptureFixture[str]
) -> None:
    job = make_job(recipe="full", epochs=4, batch_size=8, generic_lines=16)
    assert main(StopRequest()) == 0
    alone = capsys.readouterr().out
    first, second = make_hosts(job)

    with started(first, second) as (one, two):
        before = read_until(one, "epoch=1/4 step=10/")
        two.send_signal(signal.SIGTERM)
        stopped = ended(one, before), ended(two)

    assert [each.code for each in stopped] == [0, 0], stopped
    assert "continues from the last checkpoint" in stopped[0].out
    assert list((first / "checkpoints").glob("epoch-*"))
    assert not (second / "checkpoints").exists()
    assert not any((base / "model/manifest.json").exists() for base in (first, second))

    # The bucket gives every host what the first one has written.
    shutil.copytree(first / "checkpoints", second / "checkpoints")
    with started(first, second) as (one, two):
        finished = ended(one), ended(two)

    assert [each.code for each in finished] == [0, 0], finished
    assert "Resumed at epoch" in finished[0].out
    curve = stopped[0].out + finished[0].out
    assert_same_training(first, curve, job.base, alone)
    assert manifest(first)["metrics"]["processes"] == 2
    assert not (second / "model").exists()
    # Metrics are read from the output of every host and must not count twice.
    assert "epoch=" not in stopped[1].out + finished[1].out


def test_two_processes_of_a_host_train_the_head_as_one_would(
    make_job: MakeJob, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"recipe": "head", "epochs": 3, "batch_size": 16, "generic_lines": 16}
    alone = make_job("alone", **options)
    assert main(StopRequest()) == 0
    expected = capsys.readouterr().out
    together = make_job("together", processes_per_host=2, **options)

    with started(together.base) as (host,):
        found = ended(host)

    assert found.code == 0, found
    assert manifest(together.base)["metrics"]["processes"] == 2
    assert_same_training(together.base, found.out, alone.base, expected)


def test_a_failure_of_one_host_is_told_by_all(make_job: MakeJob) -> None:
    job = make_job(recipe="head", epochs=2, generic_lines=0)
    first, second = make_hosts(job)
    (second / "input/data/labels/train.txt").write_text("nowhere.png\t1\n")

    with started(first, second) as (one, two):
        codes = ended(one).code, ended(two).code

    assert codes == (1, 1)
    reason = "None of the 1 lines in train.txt can be trained on"
    assert (second / "output/failure").read_text().startswith(reason)
    told = (first / "output/failure").read_text()
    assert told.startswith(f"Process 2 of 2 failed: {reason}")
    assert not (first / "model").exists()

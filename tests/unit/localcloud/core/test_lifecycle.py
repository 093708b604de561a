"""Local clouds start, are found, stop and leave nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from localcloud import lifecycle
from localcloud.home_lock import AlreadyRunningError, HomeLock, owner_of

from .harness import REPO, Cloud, eventually, make_app

BOUND = """
import sys, time
sys.path.insert(0, {package!r})
from pathlib import Path
from localcloud import lifecycle
import boto3
connection = lifecycle.start(
    Path({home!r}), Path({app!r}), bind_to_this_process=True, on_progress=print
)
boto3.client(
    "lambda", endpoint_url=connection.endpoint_url, region_name=connection.region,
    aws_access_key_id="x", aws_secret_access_key="x",
).invoke(FunctionName="fixture-echo", Payload=b"{{}}")
print("bound", flush=True)
time.sleep(600)
"""


@pytest.mark.cloud
def test_a_running_cloud_is_found_by_its_home_and_not_started_twice(cloud: Cloud) -> None:
    steps: list[str] = []

    found = lifecycle.start(cloud.home, REPO, on_progress=steps.append)

    assert found == lifecycle.status(cloud.home) == cloud.connection
    assert steps == ["running already"]
    described = json.loads((cloud.home / "connection.json").read_text())
    assert described["pid"] == owner_of(cloud.home)
    assert described["endpoint_url"].startswith("http://127.0.0.1:")
    assert described["stack_name"] == "ocr-retrain"


def test_an_environment_points_at_the_cloud_and_never_at_an_account(tmp_path: Path) -> None:
    connection = lifecycle.Connection("http://127.0.0.1:1", 1, "us-east-1", "1", "s", {}, "t")

    environment = connection.environment()

    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert environment["AWS_REGION"] == environment["AWS_DEFAULT_REGION"] == "us-east-1"
    assert environment["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull


def test_nothing_runs_where_nothing_was_started(tmp_path: Path) -> None:
    assert lifecycle.status(tmp_path) is None
    assert lifecycle.stop(tmp_path) is False


def test_a_connection_file_without_a_cloud_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "connection.json").write_text("{}")

    assert lifecycle.status(tmp_path) is None


def test_a_home_belongs_to_one_cloud_at_a_time(tmp_path: Path) -> None:
    lock = HomeLock(tmp_path)
    try:
        assert owner_of(tmp_path) == os.getpid()
        with pytest.raises(AlreadyRunningError, match="running in"):
            HomeLock(tmp_path)
    finally:
        lock.release()

    assert owner_of(tmp_path) is None


@pytest.mark.cloud
def test_a_bound_cloud_beside_another_ends_with_its_killed_caller(
    cloud: Cloud, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    program = BOUND.format(
        package=str(REPO / "local"), home=str(home), app=str(make_app(tmp_path / "app"))
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as caller:
        assert caller.stdout is not None
        lines = iter(caller.stdout.readline, b"")
        assert b"bound\n" in lines
        other = lifecycle.status(home)
        assert other is not None
        assert other.endpoint_url != cloud.connection.endpoint_url
        assert len(_processes_of(home, other.endpoint_url)) >= 2
        caller.send_signal(signal.SIGKILL)

    eventually(lambda: not _processes_of(home, other.endpoint_url))
    assert lifecycle.status(home) is None
    assert not (home / "connection.json").exists()
    assert lifecycle.status(cloud.home) == cloud.connection


@pytest.mark.cloud
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_cloud_ended_by_a_signal_while_it_starts_leaves_no_process(
    tmp_path: Path, number: signal.Signals
) -> None:
    home, app = tmp_path / "home", make_app(tmp_path / "app")
    (app / "functions" / "new.py").write_text(f"# Built for {number.name} only: {tmp_path}\n")
    command = [sys.executable, "-m", "localcloud", "--home", str(home), "--repo", str(app)]
    environment = {**os.environ, "PYTHONPATH": str(REPO / "local")}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b"sam build (functions/)\n" in iter(process.stdout.readline, b"")
        process.send_signal(number)
        code = process.wait(30)

    assert code == (-number if number == signal.SIGKILL else 0)
    eventually(lambda: not _processes_of(home, str(app)))
    assert not (home / "connection.json").exists()


def _processes_of(home: Path, marker: str) -> list[int]:
    """Return the processes with ``home`` on their command line or ``marker`` among their words."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        if int(entry.name) == os.getpid():
            continue
        try:
            text = (entry / "cmdline").read_bytes() + b"\0" + (entry / "environ").read_bytes()
        except OSError:
            continue
        if str(home).encode() in text or marker.encode() in text:
            found.append(int(entry.name))
    return found

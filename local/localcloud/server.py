"""The local cloud's own process: start, deploy, wait for the end, leave nothing behind."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from localcloud import processes
from localcloud.connection import Connection, remove_connection, write_connection
from localcloud.context import CloudContext, aws_environment, say_nothing
from localcloud.ending import Ending
from localcloud.home_lock import HomeLock
from localcloud.images import load_images
from localcloud.moto_version import require_pinned_moto
from localcloud.timestamps import iso_seconds, now

if TYPE_CHECKING:
    from localcloud.deploy import Application
    from localcloud.recording import Recording

_T = TypeVar("_T")
REGION = "us-east-1"
ACCOUNT_ID = "123456789012"
_LOG = logging.getLogger(__name__)
# Settings of the caller that would lead the cloud's own SDK calls elsewhere.
_FOREIGN_SETTINGS = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN")


@dataclass(frozen=True)
class Options:
    """What to run: ``parameters`` override local/parameters.yaml, ``record`` gets a recording."""

    home: Path
    repo: Path
    parent_pid: int | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    record: Path | None = None


def run(options: Options) -> None:
    """Run a local cloud in the foreground until SIGTERM, SIGINT or the parent's death.

    Prints progress and finally ``ready`` to stdout. Raises what ``deploy`` and the repairs raise
    when the cloud cannot be started, SystemExit when it is ended before it is ready.
    """
    require_pinned_moto()
    ending = Ending(options.parent_pid)
    lock = HomeLock(options.home)
    # Undone last to first, whatever is interrupted or fails.
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(lock.release)
        cleanup.callback(processes.terminate_all)
        remove_connection(options.home)
        cleanup.callback(remove_connection, options.home)
        try:
            _start(options, cleanup)
            _progress("ready")
            ending.wait()
        finally:
            ending.ignore_further()


def _start(options: Options, cleanup: contextlib.ExitStack) -> None:
    started_at, begin = iso_seconds(now()), time.monotonic()
    _progress("starting")
    # moto and the SAM translator both import it: two threads at once find it half initialised.
    importlib.import_module("jsonschema")
    application = _in_background(lambda: _build(options))
    recording = _record(options)
    context = _serve(options, recording, cleanup)
    _LOG.info("answering on %s after %.1f s", context.endpoint_url, time.monotonic() - begin)
    from localcloud.clients import Clients
    from localcloud.deploy import STACK_NAME, deploy

    outputs = deploy(context, application.result(), _progress)
    if recording is not None:
        recording.keep_stack(STACK_NAME, application.result().parameters, Clients.of(context))
    connection = Connection(
        endpoint_url=context.endpoint_url,
        pid=os.getpid(),
        region=context.region,
        account_id=context.account_id,
        stack_name=STACK_NAME,
        outputs=outputs,
        started_at=started_at,
    )
    write_connection(options.home, connection)
    _LOG.info("ready after %.1f s", time.monotonic() - begin)


def _build(options: Options) -> Application:
    # The SAM translator is slow to import, too.
    from localcloud.deploy import build

    return build(options.repo, options.parameters, _progress)


def _in_background(work: Callable[[], _T]) -> Future[_T]:
    """Do slow things beside each other; nothing waits for them when the cloud is ended."""
    future: Future[_T] = Future()

    def run_work() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run_work, name="build", daemon=True).start()
    return future


def _record(options: Options) -> Recording | None:
    _prepare_moto()
    if options.record is None:
        return None
    from localcloud.recording import Recording

    return Recording(options.record)


def _prepare_moto() -> None:
    """Set what moto reads when it is imported: every import of it comes after this."""
    os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"
    for name in _FOREIGN_SETTINGS:
        os.environ.pop(name, None)


def _serve(
    options: Options, recording: Recording | None, cleanup: contextlib.ExitStack
) -> CloudContext:
    """Start answering with a repaired moto."""
    from moto.core.config import default_user_config

    from localcloud import repairs, sagemaker_install
    from localcloud.http_server import CloudServer

    default_user_config["stepfunctions"]["execute_state_machine"] = True
    default_user_config["iam"]["load_aws_managed_policies"] = True
    server = CloudServer()
    os.environ["MOTO_PORT"] = str(server.port)
    os.environ.update(aws_environment(server.endpoint_url, REGION))
    context = CloudContext(
        home=options.home,
        endpoint_url=server.endpoint_url,
        region=REGION,
        account_id=ACCOUNT_ID,
        repo=options.repo,
        images=load_images(options.repo / "local" / "images.yaml", options.repo),
        note=say_nothing if recording is None else recording.note,
    )
    repairs.install(context)
    if recording is not None:
        recording.install()
    cleanup.callback(sagemaker_install.install(context))
    server.start()
    return context


def _progress(text: str) -> None:
    print(text, flush=True)

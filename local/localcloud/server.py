"""The local cloud's own process: start, deploy, wait for the end, leave nothing behind."""

from __future__ import annotations

import contextlib
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
from localcloud.context import CloudContext, aws_environment
from localcloud.ending import Ending
from localcloud.home_lock import HomeLock
from localcloud.images import load_images
from localcloud.moto_version import require_pinned_moto
from localcloud.timestamps import iso_seconds, now

if TYPE_CHECKING:
    from localcloud.deploy import Application

_T = TypeVar("_T")
REGION = "us-east-1"
ACCOUNT_ID = "123456789012"
_LOG = logging.getLogger(__name__)
# Settings of the caller that would lead the cloud's own SDK calls elsewhere.
_FOREIGN_SETTINGS = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN")


@dataclass(frozen=True)
class Options:
    """What to run: ``parameters`` override local/parameters.yaml."""

    home: Path
    repo: Path
    parent_pid: int | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


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
    application = _in_background(lambda: _build(options))
    context = _serve(options, cleanup)
    _LOG.info("answering on %s after %.1f s", context.endpoint_url, time.monotonic() - begin)
    from localcloud.deploy import STACK_NAME, deploy

    outputs = deploy(context, application.result(), _progress)
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


def _serve(options: Options, cleanup: contextlib.ExitStack) -> CloudContext:
    """Start answering with a repaired moto."""
    os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"
    for name in _FOREIGN_SETTINGS:
        os.environ.pop(name, None)
    # Imported only now: moto reads its settings when it is imported.
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
    )
    repairs.install(context)
    cleanup.callback(sagemaker_install.install(context))
    server.start()
    return context


def _progress(text: str) -> None:
    print(text, flush=True)

"""`serve`: run the inference server until SIGTERM."""

from __future__ import annotations

import logging
import os
import signal
import sys
from types import FrameType

import uvicorn

from serving.reader import load_models
from serving.settings import Settings, SettingsError
from serving.web import Server

_log = logging.getLogger("serving")

# Longer than a load balancer keeps an idle connection, so that it is never us who close first.
_KEEP_ALIVE_SECONDS = 75


def main() -> int:
    """Serve; return the exit code: 0 after SIGTERM, 1 when the model or a setting is bad."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    logging.basicConfig(
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stdout,
    )
    return _serve(settings)


def _serve(settings: Settings) -> int:
    failures: list[str] = []

    def give_up() -> None:
        failures.append("load")
        server.should_exit = True

    application = Server(settings, lambda: load_models(settings), give_up).application()
    server = uvicorn.Server(
        uvicorn.Config(
            application,
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=settings.shutdown_seconds,
        )
    )
    server.run()
    return 1 if failures or not server.started else 0


def _stop(_signal: int, _frame: FrameType | None) -> None:
    # Before uvicorn takes the signals over, and when it raises them again after its shutdown.
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())

"""`serve`: run the inference server until SIGTERM."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable

from serving.settings import Settings, SettingsError
from serving.supervisor import CANNOT_WORK, Supervisor, listen


def main() -> int:
    """Serve; return the exit code: 0 after SIGTERM, 1 when the model or a setting is bad."""
    try:
        settings = Settings.from_environment(os.environ)
        listener = listen(settings.host, settings.port)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return CANNOT_WORK
    except OSError as error:
        print(f"{settings.host}:{settings.port} cannot be listened on: {error}.", file=sys.stderr)
        return CANNOT_WORK

    def work(listener: socket.socket, on_listening: Callable[[], None]) -> int:
        # Only the worker needs the networks' libraries, and they start threads.
        from serving.worker import serve

        return serve(settings, listener, on_listening)

    return Supervisor(listener, work).run()


if __name__ == "__main__":
    sys.exit(main())

"""``python -m localcloud``: a local cloud in the foreground."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from localcloud.server import Options, run

_REPO = Path(__file__).resolve().parents[2]
_QUIET = ("botocore", "boto3", "s3transfer", "samtranslator", "urllib3", "werkzeug")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to stop; returns 1 when the cloud could not be started."""
    options = _options(arguments)
    options.home.mkdir(parents=True, exist_ok=True)
    _log_to(options.home / "log")
    try:
        run(options)
    except SystemExit:
        return 0
    except Exception as error:
        logging.getLogger("localcloud").exception("the local cloud ended")
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def _options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="python -m localcloud", description=__doc__)
    parser.add_argument("--repo", type=Path, default=_REPO, help="directory of template.yaml")
    parser.add_argument("--home", type=Path, help="logs, jobs, connection.json")
    parser.add_argument("--parent-pid", type=int, help="end when this process does")
    parser.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a template parameter; may be repeated",
    )
    parser.add_argument("--record", type=Path, help="folder for all requests and executions")
    given = parser.parse_args(arguments)
    pairs = [text.partition("=") for text in given.parameter]
    if any(not separator for _, separator, _ in pairs):
        parser.error("--parameter takes NAME=VALUE")
    repo = given.repo.resolve()
    return Options(
        home=(given.home or repo / ".local-cloud").resolve(),
        repo=repo,
        parent_pid=given.parent_pid,
        parameters={name: value for name, _, value in pairs},
        record=given.record,
    )


def _log_to(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=directory / "cloud.log",
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    logging.captureWarnings(True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    # Requests and deliveries may still be under way in threads; nobody is waiting for them.
    os._exit(code)

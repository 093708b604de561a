"""bench-serving: ours, Flask around PaddleOCR, and FastAPI around RapidOCR, on the same images.

All servers run at the same time and are asked in turn, in short rounds, so that whatever else the
machine does meets them all. They use the same recognition and the same detection model.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.models import PACKAGED, base_model
from benchmarks.options import listed, positive
from benchmarks.places import CACHE
from benchmarks.serving import images
from benchmarks.serving.load import drive
from benchmarks.serving.report import OURS, Measurement, report
from benchmarks.serving.servers import Running, contenders, running

_LINES, _PAGES = 300, 12
_WARM_UP_SECONDS = 3.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status, 1 when ours answered with an error."""
    options = _parser().parse_args(arguments)
    asked = {"line": images.lines(_LINES), "page": images.pages(_PAGES)}
    logs = CACHE / "serving" / "logs"
    measured: list[Measurement] = []
    with ExitStack() as stack:
        servers: list[Running] = []
        for contender in contenders(base_model(PACKAGED), options.max_side):
            log = logs / f"{len(servers)}.txt"
            servers.append(stack.enter_context(running(contender, log)))
            print(f"{contender.name} answers after {servers[-1].startup:.1f} s", file=sys.stderr)
        for server in servers:
            for kind in options.kinds:
                drive(server.target(kind), asked[kind], 2, _WARM_UP_SECONDS)
        for number in range(1, options.rounds + 1):
            for kind in options.kinds:
                for clients in options.clients:
                    print(f"round {number}: {kind}s, {clients} clients", file=sys.stderr)
                    for server in servers:
                        cpu = server.cpu_seconds()
                        load = drive(server.target(kind), asked[kind], clients, options.seconds)
                        spent = server.cpu_seconds() - cpu
                        measured.append(
                            Measurement(server.contender.name, kind, clients, number, load, spent)
                        )
        memory = {each.contender.name: each.resident_megabytes() for each in servers}
    startup = {each.contender.name: each.startup for each in servers}
    print(report(measured, startup, memory))
    mine = [each.load for each in measured if each.contender == OURS]
    return 1 if any(load.failures for load in mine) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench-serving", description=__doc__)
    parser.add_argument(
        "--clients", type=listed(positive), default="1,4,16", help="at once (default: 1,4,16)"
    )
    parser.add_argument(
        "--kinds", type=listed(str), default="line,page", help="line, page or both (default)"
    )
    parser.add_argument("--rounds", type=positive, default=3, help="default: 3")
    parser.add_argument(
        "--seconds", type=positive, default=10, help="per server, kind and clients (default: 10)"
    )
    parser.add_argument(
        "--max-side", type=positive, default=960, help="detection's longest side (default: 960)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

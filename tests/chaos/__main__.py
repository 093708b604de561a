"""``python -m tests.chaos``: injects faults, checks what must hold, tells what was not survived.

Exit status 1 when anything was not survived. The same seed injects the same faults into the
functions; the local cloud's timing is its own.
"""

from __future__ import annotations

import argparse
import os
import resource
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.chaos.forks import Forks
from tests.chaos.report import Failure, Tally

_LOGS = Path(__file__).parents[2] / ".cache" / "chaos"
# How long bad weather goes on in the cloud after its episodes, as a part of the time there is.
_CLOUD_SHARE = 0.5
_MOST_NAMED = 20
# The episodes of the second layer are told to their end.
_SECONDS_BEYOND = 3600.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign."""
    options = _options(arguments)
    print(f"seed {options.seed}", flush=True)
    began = time.monotonic()
    end = began + 60 * options.minutes
    tally = Tally()
    in_the_cloud: list[Tally] = []
    cloud = Forks(1, 60 * options.minutes + _SECONDS_BEYOND, _hearing(in_the_cloud))
    if options.only != "handlers":
        share = 1.0 if options.only == "cloud" else _CLOUD_SHARE
        _go_to_the_cloud(cloud, options, began + 60 * options.minutes * share)
    if options.only != "cloud":
        # Imported late: it changes how its process sees time and threads.
        from tests.chaos import handlers

        wanted = handlers.Wanted(
            options.faults,
            end,
            only=options.story,
            match=options.match,
            sample=options.sample,
        )
        tally.merge(handlers.run(options.seed, wanted))
    # Of processes that have ended: the second layer's is not among them yet.
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = used.ru_utime + used.ru_stime
    cloud.finish()
    for each in in_the_cloud:
        tally.merge(each)
    _tell(tally, options, time.monotonic() - began)
    if options.only != "cloud":
        print(f"The first layer took {processor:.0f} s of processor time.")
    return 1 if tally.failures else 0


def _go_to_the_cloud(forks: Forks, options: argparse.Namespace, deadline: float) -> None:
    """Run the second layer beside the first, in a process of its own: it has threads."""
    if forks.spawn("cloud"):
        from tests.chaos import cloud

        logs = _LOGS / f"cloud-{options.seed}"
        forks.tell(cloud.run(options.seed, deadline, logs, storm=options.storm).as_json())


def _hearing(told: list[Tally]) -> Callable[[object, Any], None]:
    silence = Tally(failures=[Failure("cloud", ["?"], "the second layer did not end", [])])
    return lambda _, heard: told.append(Tally.from_json(heard) if heard else silence)


def _tell(tally: Tally, options: argparse.Namespace, seconds: float) -> None:
    print(tally.table())
    print(tally.places())
    injected, lost = tally.injected.total(), tally.lost.total()
    print(
        f"{injected} faults injected in {tally.stories} stories and {seconds:.0f} s, seed "
        f"{options.seed}: {injected - lost} survived, {lost} not survived."
    )
    print(
        f"In {tally.waiting} stories a run failed and its datasets waited for the next upload, "
        "which took them along."
    )
    if injected < options.faults and options.only != "cloud" and not options.match:
        print(f"There was no time for {options.faults - injected} more.")
    for each in tally.failures[:_MOST_NAMED]:
        print(f"NOT SURVIVED: {each.scenario}: {each.harmed}: {each.why[-400:]}", file=sys.stderr)
    if tally.failures:
        _LOGS.mkdir(parents=True, exist_ok=True)
        file = _LOGS / f"failures-{options.seed}.log"
        texts = [
            "\n".join([f"=== {e.scenario}: {e.harmed}", e.why, *e.log]) for e in tally.failures
        ]
        file.write_text("\n\n".join(texts), encoding="utf-8")
        print(f"The stories are told in {file}.", file=sys.stderr)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--faults", type=int, default=5000, help="how many in all, at least")
    parser.add_argument("--minutes", type=float, default=28.0, help="how long at most")
    parser.add_argument("--only", choices=["handlers", "cloud"], help="one layer")
    parser.add_argument("--story", default="", help="part of the names of handler scenarios")
    parser.add_argument("--match", default="", help="all handler faults that are called so")
    parser.add_argument("--sample", action="store_true", help="leave all handler faults to chance")
    parser.add_argument("--storm", type=int, default=50, help="datasets dropped at once")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    # Sets of text are ordered by a hash that differs from process to process.
    if os.environ.get("PYTHONHASHSEED") != "0":
        command = [sys.executable, "-m", "tests.chaos", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, "PYTHONHASHSEED": "0"})
    sys.exit(main())

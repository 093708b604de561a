"""The training job: champion and labelled lines in, candidate model out.

1. read the hyperparameters, the champion and the labelled lines;
2. encode every picture once with the frozen part of the network;
3. train the rest on new and old lines together, with checkpoints;
4. blend with the champion as far as held-back lines ask for it;
5. export and write the artefact.

Several processes do 1 to 4 together, each with a share of every batch; the first one does 5.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from contextlib import ExitStack, redirect_stdout
from pathlib import Path

from finetuning.artefacts import Lineage, load_model, write_model
from finetuning.choice import is_small
from finetuning.cluster import ProcessLostError
from finetuning.device import Device, single_threaded
from finetuning.failure import sentence_of, write_failure
from finetuning.hyperparameters import read_hyperparameters
from finetuning.interruption import StopRequest, TrainingInterruptedError
from finetuning.paths import JobPaths
from finetuning.progress import announce
from finetuning.session import TrainingSession
from finetuning.team import Team, joined
from recognition.artefact import unpack


def main(stop: StopRequest) -> int:
    """Run the job: 0 when done or interrupted with a checkpoint, 1 with the reason in the file."""
    paths = JobPaths.from_environment()
    # Again, because `import paddle` has replaced the handler.
    stop.listen()
    try:
        with joined(stop) as team, ExitStack() as stack:
            if team.rank > 0:
                # Metrics are read from what any process prints, and would count several times.
                stack.enter_context(
                    redirect_stdout(stack.enter_context(Path(os.devnull).open("w")))
                )
            _run(paths, stop, team)
    except TrainingInterruptedError:
        announce("Interrupted; the next start continues from the last checkpoint.")
        return 0
    except ProcessLostError as error:
        return _lost(paths.training_failure, error)
    # Whatever it is, SageMaker shows people the failure file and nothing else.
    except Exception as error:
        print(f"error: {write_failure(paths.training_failure, error)}", file=sys.stderr, flush=True)
        return 1
    return 0


def _lost(failure: Path, error: ProcessLostError) -> int:
    """Tell of another process's failure, but never in place of what that has told itself."""
    if error.told or not failure.exists():
        write_failure(failure, error)
    print(f"error: {sentence_of(error)}", file=sys.stderr, flush=True)
    return 1


def _run(paths: JobPaths, stop: StopRequest, team: Team) -> None:
    started = time.monotonic()
    wanted = read_hyperparameters(paths.hyperparameters)
    stop.allow(wanted.max_minutes)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        champion, _ = load_model(unpack(paths.champion, scratch))
        session = TrainingSession(wanted, champion, Device.best(), stop, stack, team)
        with single_threaded(is_small(champion.network)):
            trained = session.train(paths)
        if team.rank > 0:
            return
        lineage = Lineage(wanted.run_id, wanted.parent_package_arn, wanted.dataset_ids)
        seconds = round(time.monotonic() - started, 1)
        metrics = {**trained.metrics, "processes": team.size, "seconds": seconds}
        recipe, history = trained.recipe.as_yaml(), trained.history
        write_model(trained.model, lineage, metrics, paths.model, recipe, history)
    announce(f"The model was written after {time.monotonic() - started:.1f} seconds.")

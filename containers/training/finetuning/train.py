"""The training job: champion and labelled lines in, candidate model out.

1. read the hyperparameters, the champion and the labelled lines;
2. encode every picture once with the frozen part of the network;
3. train the rest on new and old lines together, with checkpoints;
4. blend with the champion as far as held-back lines ask for it;
5. export and write the artefact.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from finetuning.artefacts import Lineage, load_model, write_model
from finetuning.choice import is_small
from finetuning.device import Device, single_threaded
from finetuning.failure import write_failure
from finetuning.hyperparameters import HyperparameterError, read_hyperparameters
from finetuning.interruption import StopRequest, TrainingInterruptedError
from finetuning.paths import JobPaths
from finetuning.progress import announce
from finetuning.session import TrainingSession
from recognition.artefact import unpack


def main(stop: StopRequest) -> int:
    """Run the job: 0 when done or interrupted with a checkpoint, 1 with the reason in the file."""
    paths = JobPaths.from_environment()
    # Again, because `import paddle` has replaced the handler.
    stop.listen()
    try:
        _run(paths, stop)
    except TrainingInterruptedError:
        announce("Interrupted; the next start continues from the last checkpoint.")
        return 0
    # Whatever it is, SageMaker shows people the failure file and nothing else.
    except Exception as error:
        print(f"error: {write_failure(paths.training_failure, error)}", file=sys.stderr, flush=True)
        return 1
    return 0


def _run(paths: JobPaths, stop: StopRequest) -> None:
    started = time.monotonic()
    wanted = read_hyperparameters(paths.hyperparameters)
    _require_one_instance(paths.resources)
    stop.allow(wanted.max_minutes)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        champion, _ = load_model(unpack(paths.champion, scratch))
        session = TrainingSession(wanted, champion, Device.best(), stop, stack)
        with single_threaded(is_small(champion.network)):
            trained = session.train(paths)
        lineage = Lineage(wanted.run_id, wanted.parent_package_arn, wanted.dataset_ids)
        metrics = {**trained.metrics, "seconds": round(time.monotonic() - started, 1)}
        recipe, history = trained.recipe.as_yaml(), trained.history
        write_model(trained.model, lineage, metrics, paths.model, recipe, history)
    announce(f"The model was written after {time.monotonic() - started:.1f} seconds.")


def _require_one_instance(resources: Path) -> None:
    """Raise HyperparameterError when the job was given several machines."""
    if not resources.is_file():
        return
    try:
        hosts = json.loads(resources.read_text(encoding="utf-8")).get("hosts", [])
    except (ValueError, AttributeError) as error:
        raise HyperparameterError(f"{resources.name} is not a JSON object.") from error
    if len(hosts) > 1:
        raise HyperparameterError(
            f"The job has {len(hosts)} instances but trains on one; set InstanceCount to 1."
        )

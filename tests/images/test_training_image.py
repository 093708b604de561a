"""The training image under SageMaker's contract for training and processing jobs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from tests.images.conftest import Trained
from tests.images.layout import (
    PROCESSING_OUTPUTS,
    RUN,
    TRAINING_OUTPUTS,
    OptMl,
    evaluation_job,
    training_job,
)
from tests.images.machine import STOP_SECONDS, Ended, Machine
from tests.images.measuring import measured

ROOT = Path(__file__).resolve().parents[2]


def _train(machine: Machine, image: str, job: OptMl) -> Ended:
    return machine.run(image, ["train"], mounts=job.training_mounts, writable=TRAINING_OUTPUTS)


def _entry_point() -> list[str]:
    """Return what the state machine starts the processing job's container with."""
    text = (ROOT / "statemachine" / "retrain.asl.yaml").read_text(encoding="utf-8")
    state = yaml.safe_load(text)["States"]["Evaluate candidate and champion"]
    entry: list[str] = state["Arguments"]["AppSpecification"]["ContainerEntrypoint"]
    return entry


def _evaluate(machine: Machine, image: str, job: OptMl) -> Ended:
    program, *arguments = _entry_point()
    return machine.run(
        image,
        arguments,
        options=["--entrypoint", program],
        mounts=job.processing_mounts,
        writable=PROCESSING_OUTPUTS,
        environment={"RUN_ID": RUN, "CHAMPION_PACKAGE_ARN": "arn:aws:sagemaker:champion"},
    )


def test_train_makes_a_better_model_of_what_the_channels_hold(trained: Trained) -> None:
    made = json.loads((trained.job.base / "model" / "manifest.json").read_text())

    assert made["run_id"] == RUN
    assert made["metrics"]["dev_exact_match"] > made["metrics"]["dev_exact_match_before"]
    assert (trained.job.base / "model" / "inference").is_dir()
    assert not (trained.job.base / "output" / "failure").exists()


def test_train_tells_its_metrics_as_the_state_machine_looks_for_them(trained: Trained) -> None:
    for name in (" loss=", " learning_rate=", " images_per_second=", " dev_exact_match=", "epoch="):
        assert name in trained.ended.output


def test_evaluate_compares_both_models_as_the_state_machine_starts_it(
    machine: Machine, training_image: str, trained: Trained, opt_ml: Path
) -> None:
    job = evaluation_job(opt_ml / "evaluation", trained.champion, trained.candidate)
    ended = _evaluate(machine, training_image, job)

    assert ended.code == 0, ended.output
    measured(f"evaluate, 60 lines with two tiny models, whole container: {ended.seconds:.1f} s")
    document = json.loads((job.base / "processing" / "output" / "evaluation.json").read_text())
    (part,) = document["slices"]
    assert part["lines"] == 60
    assert part["candidate"]["exact_match"] > part["champion"]["exact_match"]


def test_a_training_that_is_interrupted_goes_on_where_it_was(
    machine: Machine, training_image: str, champion: Path, opt_ml: Path
) -> None:
    job = training_job(opt_ml / "interrupted", champion, epochs="60", patience="60")
    with machine.running(
        training_image, ["train"], mounts=job.training_mounts, writable=TRAINING_OUTPUTS
    ) as container:
        for line in container.lines():
            if line.startswith("epoch=2/"):
                container.terminate()
                break
        ended = container.wait(STOP_SECONDS)
    assert ended.code == 0, ended.output
    assert "continues from the last checkpoint" in ended.output
    assert not (job.base / "model" / "manifest.json").exists()

    # SageMaker starts it again with the checkpoints; here with fewer minutes than it would take.
    again = _train(machine, training_image, job)

    assert again.code == 0, again.output
    assert "Resumed at epoch" in again.output
    assert "epoch=1/60 step" not in again.output
    assert (job.base / "model" / "manifest.json").is_file()


def test_a_training_that_fails_says_why_in_the_failure_file(
    machine: Machine, training_image: str, champion: Path, opt_ml: Path
) -> None:
    job = training_job(opt_ml / "failing", champion, epochz="3")
    ended = _train(machine, training_image, job)

    assert ended.code == 1
    failure = (job.base / "output" / "failure").read_text()
    assert failure.startswith("Unknown hyperparameter 'epochz'")
    measured(f"train, to the failure file of a wrong hyperparameter: {ended.seconds:.1f} s")


def test_an_evaluation_that_fails_says_why_in_the_exit_message(
    machine: Machine, training_image: str, champion: Path, opt_ml: Path
) -> None:
    job = evaluation_job(opt_ml / "failing-evaluation", champion, champion)
    (job.base / "processing" / "input" / "candidate" / "model.tar.gz").write_bytes(b"")
    ended = _evaluate(machine, training_image, job)

    assert ended.code == 1
    message = (job.base / "output" / "message").read_text()
    assert "The candidate model cannot be loaded" in message or "cannot be unpacked" in message


@pytest.mark.parametrize(
    "name", ["pp-ocrv3-mobile", "pp-ocrv4-mobile", "pp-ocrv5-mobile", "pp-ocrv6-small"]
)
def test_base_models_are_in_the_image(
    machine: Machine, training_image: str, opt_ml: Path, name: str
) -> None:
    target = opt_ml / f"base-{name}"
    target.mkdir()
    ended = machine.run(
        training_image,
        ["package-model", "--source", name, "--output", "/made/model.tar.gz"],
        mounts={"/made": target},
        writable=["/made"],
    )

    assert ended.code == 0, ended.output
    assert (target / "model.tar.gz").stat().st_size > 1_000_000

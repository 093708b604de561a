"""Plays the state machine Retrain: its Lambda states in their order, its jobs replaced.

What is tried again, and how often, is read from the state machine itself.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from tests.aws_environment import BUCKET
from tests.chaos.faults import StepFault
from tests.chaos.world import World

ASL = Path(__file__).parents[2] / "statemachine" / "retrain.asl.yaml"
SETTLE_SECONDS, POLL_SECONDS, JOB_SECONDS = 60, 60, 600
FINE_TUNE, EVALUATE = "Fine-tune recognizer", "Evaluate candidate and champion"
_JOB_FAULTS = {
    StepFault.TRAINING_FAILED: (FINE_TUNE, "AlgorithmError: it broke, exit code: 1"),
    StepFault.TRAINING_STOPPED: (FINE_TUNE, "TrainingJobStopped"),
    StepFault.EVALUATION_FAILED: (EVALUATE, "AlgorithmError: it broke, exit code: 1"),
    StepFault.EVALUATION_STOPPED: (EVALUATE, "ProcessingJobStopped"),
}


# Gives the name of each state before it is worked on, and in the end what came of it.
Steps = Generator[str, None, Any]


class _StateFailed(Exception):
    def __init__(self, error: str, cause: str) -> None:
        super().__init__(error)
        self.error, self.cause = error, cause


@cache
def states() -> dict[str, Any]:
    """Read the states of Retrain."""
    found: dict[str, Any] = yaml.safe_load(ASL.read_text(encoding="utf-8"))["States"]
    inner: dict[str, Any] = found["Check images"]["ItemProcessor"]["States"]
    return {**found, **inner}


def play(world: World, run_id: str) -> Iterator[str]:
    """Play one execution; gives the name of each state before it is worked on."""
    run = _Run(world, run_id)
    try:
        result = yield from run.work()
    except _StateFailed as failure:
        yield from run.fail(failure)
    else:
        world.end(run_id, "SUCCEEDED", result)


@dataclass
class _Run:
    world: World
    run_id: str
    broken_jobs: dict[str, str] | None = None

    @property
    def request(self) -> dict[str, Any]:
        given: dict[str, Any] = json.loads(self.world.execution(self.run_id).execution_input)
        return given

    def work(self) -> Steps:
        yield from self.rest("Wait for upload to settle", SETTLE_SECONDS)
        validation = yield from self.validate()
        if validation["outcome"]:
            yield from self.rest("Write report of nothing to train", 0)
            return self.result(validation["outcome"], validation["reason"])
        plan = yield from self.call("Plan training", "plan_training")
        model_data = f"models/{plan['training_job_name']}/output/model.tar.gz"
        yield from self.job(FINE_TUNE)
        self.world.put(model_data, "a model")
        yield from self.job(EVALUATE)
        self.evaluate()
        verdict = yield from self.call("Judge candidate", "judge_candidate")
        yield from self.rest("Write report", 0)
        state = "Register model" if verdict["promote"] else "Register as rejected"
        package = yield from self.call(
            state,
            "register_model",
            model_data=f"s3://{BUCKET}/{model_data}",
            training_job_name=plan["training_job_name"],
        )
        outcome = "Rejected"
        if verdict["promote"]:
            outcome = "Awaiting approval"
            if package["approval_status"] == "Approved":
                yield from self.rest("Deploy endpoint", JOB_SECONDS)
                outcome = "Promoted"
        yield from self.rest("Announce result", 0)
        return self.result(outcome, verdict["headline"], package["package_arn"])

    def validate(self) -> Steps:
        started_at = self.world.execution(self.run_id).chaos_started_at
        while True:
            unfinished = True
            while unfinished:
                told = yield from self.call("Unpack archives", "unpack_archives")
                unfinished = told["unfinished"]
            validation = yield from self.call(
                "Validate datasets", "validate_dataset", started_at=started_at
            )
            if validation["complete"] or validation["give_up_waiting"]:
                break
            yield from self.rest("Wait for missing images", POLL_SECONDS)
        if not validation["image_shards"]:
            return validation
        key = validation["image_shards_uri"].removeprefix(f"s3://{BUCKET}/")
        for shard in json.loads(self.world.get(key)):
            yield from self.call("Check one shard", "check_images", shard=shard)
        return (yield from self.call("Finish validation", "finish_validation"))

    def rest(self, state: str, seconds: float) -> Steps:
        """Let time pass; reports and announcements are nothing that a run depends on."""
        assert state in states()
        self.world.clock.sleep(seconds)
        yield state

    def job(self, state: str) -> Steps:
        yield from self.rest(state, JOB_SECONDS)
        fault = self.world.jobs_to_break.pop(state, "")
        if fault:
            cause = json.dumps({"FailureReason": _JOB_FAULTS[StepFault(fault)][1]})
            raise _StateFailed("States.TaskFailed", cause)

    def call(self, state: str, function: str, **more: Any) -> Steps:
        yield state
        retry = states()[state]["Retry"]
        tried: dict[int, int] = {}
        while True:
            told = self.world.invoke(function, {**self.request, **more}, f"{function} ({state})")
            if not told.error:
                return told.answer
            rule = _matching(retry, told.error)
            if rule is None or tried.get(rule, 0) >= retry[rule]["MaxAttempts"]:
                raise _StateFailed(told.error, told.cause)
            tried[rule] = tried.get(rule, 0) + 1
            self.world.clock.sleep(retry[rule]["IntervalSeconds"])
            if self.world.execution(self.run_id).status != "RUNNING":
                # Stopped: whoever aborted it has told of its end.
                yield state

    def fail(self, failure: _StateFailed) -> Steps:
        reason = failure.cause
        try:
            told = yield from self.call(
                "Explain failure", "explain_failure", error=failure.error, cause=failure.cause
            )
            reason = told["reason"]
        except _StateFailed:
            pass
        yield from self.rest("Announce failure", 0)
        error = f"Retrain.{failure.error.split('.')[-1]}"
        self.world.end(self.run_id, "FAILED", error=error, cause=reason)

    def result(self, outcome: str, reason: str, package: str = "") -> dict[str, Any]:
        about = {"outcome": outcome, "run_id": self.run_id, "reason": reason}
        return {**about, "package_arn": package} if package else about

    def evaluate(self) -> None:
        """Write what the evaluation job writes."""
        world, root = self.world, f"runs/{self.run_id}"
        planned = json.loads(world.get(f"{root}/slices/slices.json"))["slices"]
        better = 0 if world.candidates_are_worse else 60
        slices = [
            {
                "name": each["name"],
                "kind": each["kind"],
                "lines": 100,
                "champion": {"exact_match": 0.4},
                "candidate": {"exact_match": (40 + better) / 100},
                "paired": {
                    "both_right": 40,
                    "only_champion_right": 0,
                    "only_candidate_right": better,
                    "both_wrong": 60 - better,
                },
            }
            for each in planned
        ]
        evaluation = {"run_id": self.run_id, "slices": slices}
        world.put(f"{root}/evaluation/evaluation.json", json.dumps(evaluation))
        world.put(f"{root}/evaluation/dict.txt", "".join(f"{digit}\n" for digit in range(10)))


def _matching(retry: list[dict[str, Any]], error: str) -> int | None:
    for number, rule in enumerate(retry):
        names = rule["ErrorEquals"]
        # AWS: States.TaskFailed matches any error of a task but a timeout.
        if error in names or "States.ALL" in names or "States.TaskFailed" in names:
            return number
    return None


def job_state(fault: StepFault) -> str:
    """Tell which job a fault is about, or ""."""
    return _JOB_FAULTS[fault][0] if fault in _JOB_FAULTS else ""

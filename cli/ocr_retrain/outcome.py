"""How a run ended, read from its execution: pure, without AWS."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ValidationError

from ocr_retrain.executions import Execution
from ocr_retrain.exits import ExitCode
from retraining.announcing_next_steps import NextStep, after_run, version_of


class Outcome(StrEnum):
    """The named ends of a run; RUNNING is none yet."""

    PROMOTED = "Promoted"
    AWAITING_APPROVAL = "Awaiting approval"
    REJECTED = "Rejected"
    NOTHING_TO_TRAIN = "Nothing to train"
    WAITING_FOR_MORE = "Waiting for more data"
    FAILED = "Failed"
    ABORTED = "Aborted"
    TIMED_OUT = "Timed out"
    RUNNING = "Running"


_EXIT_CODES = {
    Outcome.PROMOTED: ExitCode.OK,
    Outcome.AWAITING_APPROVAL: ExitCode.AWAITING_APPROVAL,
    Outcome.REJECTED: ExitCode.REJECTED,
    Outcome.NOTHING_TO_TRAIN: ExitCode.NOTHING_TO_TRAIN,
    Outcome.WAITING_FOR_MORE: ExitCode.WAITING_FOR_MORE,
    Outcome.FAILED: ExitCode.FAILED,
    Outcome.ABORTED: ExitCode.FAILED,
    Outcome.TIMED_OUT: ExitCode.FAILED,
    Outcome.RUNNING: ExitCode.TIMED_OUT_WAITING,
}
_BY_STATUS = {
    "RUNNING": Outcome.RUNNING,
    "PENDING_REDRIVE": Outcome.RUNNING,
    "ABORTED": Outcome.ABORTED,
    "TIMED_OUT": Outcome.TIMED_OUT,
}


class Problem(BaseModel):
    """One kind of problem that validation found, with its first examples."""

    code: str
    count: int
    first: list[str] = []


class ValidationSummary(BaseModel):
    """What validation said, in short; ``character_notes`` are sentences about new characters."""

    train_lines: int = 0
    holdout_lines: int = 0
    new_character_count: int = 0
    new_characters_first: list[str] = []
    rare_character_count: int = 0
    rare_characters_first: list[str] = []
    character_notes: list[str] = []
    report: str = ""
    problems: list[Problem] = []


class VerdictSummary(BaseModel):
    """The verdict, in short; ``verdict`` is the S3 URI of the whole."""

    promote: bool = False
    headline: str = ""
    reasons: list[str] = []
    verdict: str = ""


class RunOutput(BaseModel):
    """The output of a Retrain execution."""

    outcome: Outcome
    run_id: str = ""
    package_arn: str = ""
    reason: str = ""
    validation: ValidationSummary = ValidationSummary()
    verdict: VerdictSummary = VerdictSummary()


class RunInput(BaseModel):
    """The input of a Retrain execution."""

    datasets: list[str] = []


@dataclass(frozen=True)
class RunResult:
    """How one run ended (or that it still runs), for tables, exit statuses and reports."""

    run_id: str
    outcome: Outcome
    reason: str
    datasets: tuple[str, ...]
    output: RunOutput | None

    @property
    def next_steps(self) -> tuple[NextStep, ...]:
        """What a person can do about it; the notification of the run says the same."""
        if self.outcome is Outcome.RUNNING:
            return ()
        version = version_of(self.output.package_arn) if self.output else None
        return after_run(self.outcome, self.run_id, self.datasets, version)

    @property
    def exit_code(self) -> ExitCode:
        """The exit status of a command that waited for this run."""
        return _EXIT_CODES[self.outcome]


def result_of(execution: Execution) -> RunResult:
    """Return how ``execution`` ended."""
    output = _read_output(execution)
    if output is not None:
        outcome, reason = output.outcome, output.reason or output.verdict.headline
    else:
        outcome = _BY_STATUS.get(execution.status, Outcome.FAILED)
        reason = _failure(execution, outcome)
    return RunResult(
        run_id=execution.name,
        outcome=outcome,
        reason=reason.removeprefix(f"{outcome}: "),
        datasets=tuple(_read_input(execution).datasets),
        output=output,
    )


def _read_output(execution: Execution) -> RunOutput | None:
    if execution.status != "SUCCEEDED":
        return None
    try:
        return RunOutput.model_validate_json(execution.output)
    except ValidationError:
        return None


def _read_input(execution: Execution) -> RunInput:
    try:
        return RunInput.model_validate_json(execution.input)
    except ValidationError:
        return RunInput()


def _failure(execution: Execution, outcome: Outcome) -> str:
    if outcome is Outcome.RUNNING:
        return ""
    if execution.status == "SUCCEEDED":
        return "The execution succeeded without naming an outcome."
    return " ".join((execution.cause or execution.error or "No reason was given.").split())

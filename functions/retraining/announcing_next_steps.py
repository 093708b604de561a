"""What a person does next, with the exact command: one rule for messages and terminals. Pure."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from retraining.names import is_pipeline_execution
from retraining.texts import shortened

_MOST_DATASETS = 3


@dataclass(frozen=True)
class NextStep:
    """``command`` is to be typed as it stands; ``purpose`` says what it does."""

    command: str
    purpose: str


def after_run(
    outcome: str,
    run_id: str,
    datasets: Sequence[str],
    version: int | None,
    execution_arn: str = "",
) -> tuple[NextStep, ...]:
    """Tell what to do about a run that ended; ``version`` is its candidate's, if there is one."""
    if outcome == "Promoted":
        return (
            _report(run_id),
            NextStep("ocr-retrain rollback", "serves the version before again"),
        )
    if outcome == "Awaiting approval":
        return (*_decide(version), _report(run_id))
    if outcome == "Rejected":
        return (
            _report(run_id),
            *_for_each(datasets, "retry", "trains on it once more, when its labels are right"),
        )
    if outcome == "Waiting for more data":
        return _for_each(datasets, "datasets", "tells what has come so far")
    if outcome == "Nothing to train":
        return _for_each(datasets, "datasets", "tells which lines cannot be used, and why")
    return (
        *_for_each(datasets, "retry", "starts a new run, when the cause is gone"),
        NextStep(_steps(run_id, execution_arn), "shows the step that failed"),
    )


def after_deployment(
    outcome: str, version: int | None, state_machine_arn: str
) -> tuple[NextStep, ...]:
    """Tell what to do about a deployment that ended."""
    if outcome == "Serving":
        return (NextStep("ocr-retrain rollback", "serves the version before again"),)
    listed = NextStep("ocr-retrain models", "tells which version serves, and what became of others")
    if outcome == "Rolled back":
        again = () if version is None else (_approve(version, "tries it once more"),)
        return (listed, *again)
    again = (
        NextStep(
            f"aws stepfunctions start-execution --state-machine-arn {state_machine_arn}",
            "tries it once more, when the cause is gone",
        ),
    )
    return (listed, *again)


def version_of(package_arn: str) -> int | None:
    """Tell the version from a model package's ARN, or None when it names none."""
    number = package_arn.rpartition("/")[2]
    return int(number) if number.isascii() and number.isdecimal() else None


def _decide(version: int | None) -> tuple[NextStep, ...]:
    if version is None:
        return (NextStep("ocr-retrain models", "tells the version that waits for approval"),)
    return (
        _approve(version, "deploys it"),
        NextStep(f"ocr-retrain reject {version} --reason '...'", "keeps what serves now"),
    )


def _approve(version: int, purpose: str) -> NextStep:
    return NextStep(f"ocr-retrain approve {version}", purpose)


def _steps(run_id: str, execution_arn: str) -> str:
    if is_pipeline_execution(execution_arn):
        return (
            "aws sagemaker list-pipeline-execution-steps "
            f"--pipeline-execution-arn {shlex.quote(execution_arn)}"
        )
    return _command("watch", "--run", run_id)


def _report(run_id: str) -> NextStep:
    return NextStep(
        _command("report", run_id), "opens the report: every number, and lines as pictures"
    )


def _for_each(datasets: Sequence[str], verb: str, purpose: str) -> tuple[NextStep, ...]:
    """Name the datasets; what cannot be typed as it is shown is left for `datasets` to list."""
    typed = [each for each in datasets if shortened(each, len(each)) == each]
    if len(typed) != len(datasets) or not 0 < len(typed) <= _MOST_DATASETS:
        return (NextStep("ocr-retrain datasets", "names the datasets, and what became of each"),)
    return tuple(
        NextStep(_command(verb, *(["--", each] if each.startswith("-") else [each])), purpose)
        for each in typed
    )


def _command(verb: str, *arguments: str) -> str:
    """Quote what others have named, so that nothing but the command runs."""
    return shlex.join(["ocr-retrain", verb, *arguments])

"""The Retrain state machine, as the reconciler uses it."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from retraining import names
from retraining.outcomes import TERMINAL, Ended, as_object

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


@dataclass(frozen=True)
class Described:
    """An execution that exists: still running, or ended."""

    ended: Ended | None


class Executions:
    """Starts and looks up executions of one state machine."""

    def __init__(self, client: "SFNClient", state_machine_arn: str) -> None:
        """Work on the given state machine."""
        self._client = client
        self.state_machine_arn = state_machine_arn

    def arn(self, run_id: str) -> str:
        """Tell the ARN of the execution named after a run."""
        return names.execution_arn(self.state_machine_arn, run_id)

    def start(self, run_id: str, datasets: tuple[str, ...]) -> None:
        """Start the execution of a run; starting it again changes nothing.

        Any error leaves it open whether the execution started: an answer may be lost, and what
        looks like a refusal may be that of a second attempt. So ask again with the same name.
        """
        try:
            self._client.start_execution(
                stateMachineArn=self.state_machine_arn,
                name=run_id,
                input=json.dumps({"run_id": run_id, "datasets": datasets}, ensure_ascii=False),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise

    def describe(self, run_id: str) -> Described | None:
        """Look up the execution of a run; None when there is none (yet)."""
        try:
            found = self._client.describe_execution(executionArn=self.arn(run_id))
        except ClientError as error:
            if error.response["Error"]["Code"] == "ExecutionDoesNotExist":
                return None
            raise
        if found["status"] not in TERMINAL:
            return Described(None)
        given = as_object(found.get("input"))
        return Described(
            Ended(
                run_id=found["name"],
                status=found["status"],
                datasets=datasets_of(given.get("datasets")),
                output=as_object(found.get("output")),
                error=found.get("error", ""),
                cause=found.get("cause", ""),
                ended_at=found.get("stopDate", datetime.now(UTC)).astimezone(UTC),
            )
        )


def datasets_of(given: object) -> tuple[str, ...]:
    """Read the dataset names of an execution's input."""
    return tuple(str(each) for each in given if each) if isinstance(given, list) else ()

"""What training, processing and transform jobs have in common.

Their names, their life from Create to the last status, and how they are described, listed, stopped
and announced. What a job of a kind does is in its own modules.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import ClassVar, Generic, TypeVar

from localcloud.clients import Clients
from localcloud.context import CloudContext
from localcloud.processes import CloudClosingError
from localcloud.sagemaker_api import Document, Operation, Parameters, timestamp
from localcloud.sagemaker_errors import JobInputError, RequestInvalidError, ResourceInUseError
from localcloud.sagemaker_events import StateChanges, tags_of
from localcloud.sagemaker_listing import list_page
from localcloud.sagemaker_names import ArnMaker
from localcloud.sagemaker_transfer import Transfer

STOP_GRACE_SECONDS = 120.0
FAILURE_CHARACTERS = 1024

_log = logging.getLogger(__name__)


class Job(ABC):
    """One job; safe to use from the job's thread and from requests at the same time."""

    kind: ClassVar[str]
    """``Training``, ``Processing`` or ``Transform``, as the API's names begin."""

    def __init__(self, request: Parameters, arn: str, on_change: Callable[[Job], None]) -> None:
        """``on_change`` is called after every status change."""
        self.request = request
        self.name: str = request[f"{self.kind}JobName"]
        self.arn = arn
        self.tags: list[dict[str, str]] = list(request.get("Tags", []))
        self.creation_time = self.last_modified_time = timestamp()
        self.status = "InProgress"
        self.stop = threading.Event()
        self._failure: str | None = None
        self._started: datetime | None = None
        self._ended: datetime | None = None
        self._on_change = on_change
        self._lock = threading.RLock()

    @abstractmethod
    def describe(self) -> Document:
        """Return the answer of the Describe operation."""

    @abstractmethod
    def summary(self) -> Document:
        """Return the job's entry in the answer of the List operation."""

    @abstractmethod
    def fail(self, reason: str) -> None:
        """The job is lost; ``reason`` becomes FailureReason."""

    def note_start(self) -> None:
        """The container is about to run."""
        with self._lock:
            self._started = self.last_modified_time = timestamp()

    def request_stop(self) -> bool:
        """Ask for the end; False when the job has ended or is stopping already."""
        with self._lock:
            if self.status != "InProgress":
                return False
            self.status = "Stopping"
            self._note_stopping()
        self.stop.set()
        self._on_change(self)
        return True

    def _note_stopping(self) -> None:
        self.last_modified_time = timestamp()

    def _note_end(self, status: str, failure: str | None) -> None:
        self.status = status
        self._failure = None if failure is None else failure[:FAILURE_CHARACTERS]
        self._ended = self.last_modified_time = timestamp()


AnyJob = TypeVar("AnyJob", bound=Job)


class Jobs(ABC, Generic[AnyJob]):
    """All jobs of one kind in this cloud."""

    kind: ClassVar[str]
    listed_newest_first: ClassVar[bool] = False

    def __init__(
        self,
        context: CloudContext,
        clients: Clients,
        events: StateChanges,
        *,
        stop_grace_seconds: float = STOP_GRACE_SECONDS,
    ) -> None:
        """Start empty; ``stop_grace_seconds`` lie between SIGTERM and SIGKILL."""
        self._context = context
        self._clients = clients
        self._events = events
        self._arns = ArnMaker.of(context)
        self._transfer = Transfer(context, clients, f"{self.kind.lower()} job")
        self._stop_grace_seconds = stop_grace_seconds
        self._jobs: dict[str, AnyJob] = {}
        self._lock = threading.Lock()

    def operations(self) -> Mapping[str, Operation]:
        """Return the operations by their API names."""
        return {
            f"Create{self.kind}Job": self.create,
            f"Describe{self.kind}Job": self.describe,
            f"List{self.kind}Jobs": self.list_jobs,
            f"Stop{self.kind}Job": self.stop,
        }

    def resources(self) -> Iterator[AnyJob]:
        """Return everything that can be tagged."""
        return iter(list(self._jobs.values()))

    def create(self, request: Parameters) -> Document:
        """Start a job.

        Raises ResourceInUseError for a name already used, RequestInvalidError for what AWS
        refuses and for what cannot be run here.
        """
        for reason in self.unsupported(request):
            raise RequestInvalidError(f"The local cloud does not support {reason}.")
        self.check(request)
        name = request[f"{self.kind}JobName"]
        with self._lock:
            if name in self._jobs:
                raise ResourceInUseError(self.name_taken(self._jobs[name].arn))
            arn = self._arns.make(f"{self.kind.lower()}-job", name)
            job = self._jobs[name] = self.new_job(request, arn)
        self.begin(job)
        threading.Thread(
            target=self._execute, args=(job,), name=f"{self.kind.lower()} {name}", daemon=True
        ).start()
        return {f"{self.kind}JobArn": job.arn}

    def describe(self, request: Parameters) -> Document:
        """Return a job's state; raises RequestInvalidError when there is none."""
        return self._job(request).describe()

    def list_jobs(self, request: Parameters) -> Document:
        """Return a page of job summaries."""
        page, token = list_page(self._jobs.values(), request, newest_first=self.listed_newest_first)
        return {f"{self.kind}JobSummaries": [job.summary() for job in page], "NextToken": token}

    def stop(self, request: Parameters) -> None:
        """Ask a running job to stop; raises RequestInvalidError when it is not running."""
        job = self._job(request)
        if not job.request_stop():
            raise RequestInvalidError(
                f"The request was rejected because the {self.kind.lower()} job is in status "
                f"{job.status}."
            )

    @abstractmethod
    def unsupported(self, request: Parameters) -> Iterator[str]:
        """Name what a request wants that cannot be done here."""

    @abstractmethod
    def new_job(self, request: Parameters, arn: str) -> AnyJob:
        """Make the job of a request."""

    @abstractmethod
    def work(self, job: AnyJob) -> None:
        """Do what the job is there for, to its last status, in a thread of its own.

        What it raises becomes the job's FailureReason: JobInputError the user's fault, anything
        else ours.
        """

    def name_taken(self, arn: str) -> str:
        """Say, as AWS does of most kinds, that there is a job of that name."""
        return (
            "Job name must be unique within an AWS account and region, and a job with this name "
            f"already exists ({arn})"
        )

    def not_found(self, name: str) -> Exception:
        """Return the error AWS answers with, of most kinds, when there is no job of that name."""
        return RequestInvalidError(f"Could not find requested job with name: {name}")

    def check(self, request: Parameters) -> None:
        """Raise RequestInvalidError for what AWS refuses before it takes a job."""

    def begin(self, job: AnyJob) -> None:
        """Announce a new job."""
        self.announce(job)

    def announce(self, job: Job) -> None:
        """Put the job's status on the event bus."""
        detail = {**job.describe(), "Tags": tags_of(job.tags)}
        self._events.announce(f"{self.kind} Job State Change", job.arn, detail)

    def _job(self, request: Parameters) -> AnyJob:
        name = request[f"{self.kind}JobName"]
        job = self._jobs.get(name)
        if job is None:
            raise self.not_found(name)
        return job

    def _execute(self, job: AnyJob) -> None:
        try:
            self.work(job)
        except JobInputError as error:
            job.fail(f"ClientError: {error}")
        except CloudClosingError as error:
            job.fail(f"InternalServerError: {error}")
        except Exception as error:
            _log.exception("%s job %s met an internal error.", self.kind, job.name)
            job.fail(f"InternalServerError: We encountered an internal error: {error!r}")

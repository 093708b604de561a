"""The processes that train one network together, and what they tell one another.

Every process does the same steps in the same order; what only one does, the first does. Before
anything whose length differs from process to process they meet at a store that the first one keeps,
since gloo waits for others for half a minute at most:
https://github.com/facebookincubator/gloo/blob/main/gloo/common/common.h
"""

from __future__ import annotations

import io
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import paddle
import paddle.distributed as dist
from paddle.base.core import TCPStore

from finetuning.cluster import MASTER_ADDRESS, MASTER_PORT, ProcessLostError, rank_and_size
from finetuning.failure import sentence_of
from finetuning.interruption import StopRequest, TrainingInterruptedError

Arrays = Sequence[npt.NDArray[Any]]

_POLL_SECONDS = 0.05
# A process that has not come after so long never will.
_PATIENCE_SECONDS = 1800.0
_STORE_SECONDS = 60
# The first process keeps the store, and must not end before the others have read their last.
_FAREWELL_SECONDS = 30.0
_REASON_SECONDS = 3.0

_Result = TypeVar("_Result")


class Team(Protocol):
    """All processes of a training, as one of them sees them."""

    @property
    def rank(self) -> int:
        """Which one this is, from 0."""
        ...

    @property
    def size(self) -> int:
        """How many there are."""
        ...

    def anywhere(self, *facts: bool) -> tuple[bool, ...]:
        """Return which of the facts hold in any process."""
        ...

    def total(self, values: Sequence[float]) -> list[float]:
        """Return the sums of the values over all processes."""
        ...

    def add_up(self, tensor: paddle.Tensor) -> None:
        """Add up a tensor over all processes, in place."""
        ...

    def gather(self, arrays: Arrays) -> list[Arrays]:
        """Return the arrays of every process, by rank."""
        ...

    def share(self, arrays: Arrays) -> Arrays:
        """Return the arrays that the first process has."""
        ...

    def meet(self) -> None:
        """Wait until every process is here, however long that takes."""
        ...


@dataclass(frozen=True)
class Alone:
    """A training in one process."""

    rank: int = 0
    size: int = 1

    def anywhere(self, *facts: bool) -> tuple[bool, ...]:
        """Return the facts."""
        return facts

    def total(self, values: Sequence[float]) -> list[float]:
        """Return the values."""
        return list(values)

    def add_up(self, tensor: paddle.Tensor) -> None:
        """Leave the tensor as it is."""

    def gather(self, arrays: Arrays) -> list[Arrays]:
        """Return the arrays."""
        return [arrays]

    def share(self, arrays: Arrays) -> Arrays:
        """Return the arrays."""
        return arrays

    def meet(self) -> None:
        """Wait for nobody."""


class Processes:
    """One of several processes: gloo connects them on CPUs, NCCL on GPUs."""

    def __init__(self, rank: int, size: int, store: Any) -> None:  # noqa: ANN401  (a TCPStore)
        """Take what connects this process with the others."""
        self.rank = rank
        self.size = size
        self._store = store
        self._meetings = 0

    def anywhere(self, *facts: bool) -> tuple[bool, ...]:
        """Return which of the facts hold in any process."""
        return tuple(count > 0 for count in self.total([float(fact) for fact in facts]))

    def total(self, values: Sequence[float]) -> list[float]:
        """Return the sums of the values over all processes."""
        tensor = paddle.to_tensor(np.array(values, dtype=np.float32))
        self.add_up(tensor)
        return [float(value) for value in tensor.numpy()]

    def add_up(self, tensor: paddle.Tensor) -> None:
        """Add up a tensor over all processes, in place."""
        self._connected(lambda: dist.all_reduce(tensor))

    def gather(self, arrays: Arrays) -> list[Arrays]:
        """Return the arrays of every process, by rank."""
        content = _packed(arrays)
        lengths = [0.0] * self.size
        lengths[self.rank] = float(len(content))
        sizes = [int(length) for length in self._exact_total(lengths)]
        padded = np.zeros(max(sizes), dtype=np.uint8)
        padded[: len(content)] = content
        found: list[paddle.Tensor] = []
        self._connected(lambda: dist.all_gather(found, paddle.to_tensor(padded)))
        return [
            _unpacked(tensor.numpy()[:length]) for tensor, length in zip(found, sizes, strict=True)
        ]

    def share(self, arrays: Arrays) -> Arrays:
        """Return the arrays that the first process has."""
        content = _packed(arrays if self.rank == 0 else ())
        (length,) = self._exact_total([float(len(content)) if self.rank == 0 else 0.0])
        tensor = paddle.to_tensor(
            content if self.rank == 0 else np.zeros(int(length), dtype=np.uint8)
        )
        self._connected(lambda: dist.broadcast(tensor, src=0))
        return _unpacked(tensor.numpy())

    def meet(self) -> None:
        """Wait until every process is here, however long that takes.

        Raises ProcessLostError when one has failed, or has not come for half an hour.
        """
        self.wait_for_all(lambda: None)

    def wait_for_all(self, check: Callable[[], None]) -> None:
        """Meet; what `check` raises meanwhile ends the waiting."""
        self._meetings += 1
        place = f"meeting/{self._meetings}"
        self._stored(lambda: self._store.add(place, 1))
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self._stored(lambda: self._store.add(place, 0)) < self.size:
            check()
            self._raise_if_told()
            if time.monotonic() >= deadline:
                raise ProcessLostError(
                    f"Not all of the job's {self.size} processes came to the same point within "
                    f"{_PATIENCE_SECONDS / 60:.0f} minutes.",
                    told=False,
                )
            time.sleep(_POLL_SECONDS)

    def tell(self, sentence: str) -> None:
        """Tell the others why this process fails."""
        told = f"Process {self.rank + 1} of {self.size} failed: {sentence}"
        try:
            self._store.set("reason", told)
            self._store.add("failed", 1)
        except (RuntimeError, ValueError):
            return
        self.depart()

    def leave(self) -> None:
        """Wait until all have done their part, so that nobody takes the job for over."""
        self.meet()
        self.depart()

    def depart(self) -> None:
        """Use the others no more; the first process waits for the others to do so too."""
        try:
            gone = self._store.add("gone", 1)
            deadline = time.monotonic() + _FAREWELL_SECONDS
            while self.rank == 0 and gone < self.size and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
                gone = self._store.add("gone", 0)
        except (RuntimeError, ValueError):
            return

    def _exact_total(self, values: Sequence[float]) -> list[float]:
        tensor = paddle.to_tensor(np.array(values, dtype=np.float64))
        self.add_up(tensor)
        return [float(value) for value in tensor.numpy()]

    def _connected(self, exchange: Callable[[], _Result]) -> _Result:
        try:
            return exchange()
        # gloo tells of a process that is gone in several ways, all of them its own.
        except (RuntimeError, ValueError, OSError) as error:
            self._raise_for(error)
            raise

    def _stored(self, ask: Callable[[], _Result]) -> _Result:
        try:
            return ask()
        except (RuntimeError, ValueError) as error:
            raise ProcessLostError(
                "The first process of the job cannot be reached any more.", told=False
            ) from error

    def _raise_for(self, error: Exception) -> None:
        deadline = time.monotonic() + _REASON_SECONDS
        while time.monotonic() < deadline:
            self._raise_if_told()
            time.sleep(_POLL_SECONDS)
        detail = " ".join(str(error).split())[-200:]
        raise ProcessLostError(
            f"Another process of the job cannot be reached any more ({detail}).", told=False
        ) from error

    def _raise_if_told(self) -> None:
        if self._stored(lambda: self._store.add("failed", 0)):
            raise ProcessLostError(self._store.get("reason").decode("utf-8"), told=True)


@contextmanager
def joined(stop: StopRequest, environment: Mapping[str, str] = os.environ) -> Iterator[Team]:
    """Join the processes that the environment tells of, and leave them when the block ends.

    Raises ProcessLostError when they cannot be reached, TrainingInterruptedError on SIGTERM before
    all have come.
    """
    rank, size = rank_and_size(environment)
    if size == 1:
        yield Alone()
        return
    team = _connect(rank, size, environment, stop)
    try:
        yield team
    except TrainingInterruptedError:
        # All stop at the same step; the first one has written the checkpoint.
        team.leave()
        raise
    except ProcessLostError:
        team.depart()
        raise
    except Exception as error:
        team.tell(sentence_of(error))
        raise
    team.leave()


def _connect(rank: int, size: int, environment: Mapping[str, str], stop: StopRequest) -> Processes:
    def raise_if_stopped() -> None:
        if stop.terminated:
            raise TrainingInterruptedError

    address, port = environment[MASTER_ADDRESS], int(environment[MASTER_PORT])
    # Paddle's own store takes the port itself.
    if rank > 0:
        _wait_for_server(address, port + 1, raise_if_stopped)
    team = Processes(rank, size, TCPStore(address, port + 1, rank == 0, 1, _STORE_SECONDS))
    team.wait_for_all(raise_if_stopped)
    gpu = paddle.is_compiled_with_cuda() and paddle.device.cuda.device_count() > 0
    os.environ["PADDLE_DISTRI_BACKEND"] = "nccl" if gpu else "gloo"
    dist.init_parallel_env()
    return team


def _wait_for_server(address: str, port: int, check: Callable[[], None]) -> None:
    """Wait for the first process. Its store would be waited for as well, but deaf to signals."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        check()
        try:
            socket.create_connection((address, port), timeout=1.0).close()
        except OSError as error:
            if time.monotonic() >= deadline:
                raise ProcessLostError(
                    f"The first process of the job does not answer at {address}:{port}.",
                    told=False,
                ) from error
        else:
            return
        time.sleep(_POLL_SECONDS)


def _packed(arrays: Arrays) -> npt.NDArray[np.uint8]:
    content = io.BytesIO()
    np.savez(content, *arrays)
    return np.frombuffer(content.getvalue(), dtype=np.uint8)


def _unpacked(content: npt.NDArray[np.uint8]) -> Arrays:
    with np.load(io.BytesIO(content.tobytes()), allow_pickle=False) as arrays:
        return [arrays[f"arr_{index}"] for index in range(len(arrays.files))]

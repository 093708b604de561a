"""Running a job's material through the frozen front of the network, with progress."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from finetuning.examples import EncodedLines, Encoder
from finetuning.interruption import StopRequest, TrainingInterruptedError
from finetuning.material import Material
from finetuning.progress import announce, encoding_line
from finetuning.team import Team

_TELL_EVERY_SECONDS = 2.0


@dataclass(frozen=True)
class EncodedMaterial:
    """The material as the trained part is fed with it."""

    new: EncodedLines
    practice: EncodedLines
    old: EncodedLines
    dev: EncodedLines
    guard: EncodedLines


@dataclass
class EncodingProgress:
    """Tells how far the encoding is, and ends it on SIGTERM: nothing is lost that early."""

    total: int
    stop: StopRequest
    team: Team
    _done: int = field(default=0, init=False)
    _told: float = field(default_factory=time.monotonic, init=False)

    def add(self, pictures: int) -> None:
        """Count pictures. Raises TrainingInterruptedError after SIGTERM to any process."""
        self._done += pictures
        (terminated,) = self.team.anywhere(self.stop.terminated)
        if terminated:
            raise TrainingInterruptedError
        if time.monotonic() - self._told >= _TELL_EVERY_SECONDS:
            self._told = time.monotonic()
            announce(encoding_line(self._done, self.total))


def pictures_of(material: Material, views: int) -> int:
    """Return how many pictures there are to encode."""
    once = (material.practice, material.replay, material.generic, material.dev, material.guard)
    return len(material.new) * views + sum(len(lines) for lines in once)


def encode(material: Material, encoder: Encoder, views: int) -> EncodedMaterial:
    """Encode every line as it is, new ones in further views."""
    started = time.monotonic()
    encoded = EncodedMaterial(
        new=encoder.encode(material.new, views=views),
        practice=encoder.encode(material.practice),
        old=encoder.encode((*material.replay, *material.generic), old=True),
        dev=encoder.encode(material.dev),
        guard=encoder.encode(material.guard, old=True),
    )
    seconds = time.monotonic() - started
    announce(f"Encoded {pictures_of(material, views)} pictures in {seconds:.1f} seconds.")
    return encoded

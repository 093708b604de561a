"""Short stories of uploads; each is told again and again with one thing going wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.chaos import people
from tests.chaos.world import World

Story = Callable[[World], None]


@dataclass(frozen=True)
class Scenario:
    """A story that begins with ``tell``; ``settings`` are environment variables of the functions.

    ``later`` parts are told each time the world has come to rest, the first one before anything
    went wrong there. Of the functions that are ``gone_through`` nothing is left to chance there:
    each is killed after each of its calls, and has every fault with every operation of AWS.
    """

    name: str
    tell: Story
    settings: Mapping[str, str] = field(default_factory=dict)
    later: tuple[Story, ...] = ()
    unusable: frozenset[str] = frozenset()
    has_model: bool = True
    gone_through: frozenset[str] = frozenset()


def _one_upload(world: World) -> None:
    people.upload(world, "meters")


def _several_uploads(world: World) -> None:
    for name in ("meters", "plates", "receipts"):
        people.upload(world, name)


def _archive(world: World) -> None:
    people.upload_archive(world, "meters")


def _labels_first(world: World) -> None:
    people.upload(world, "meters", images=False)
    people.upload_images(world, "meters", numbers=range(2))
    world.at_state("Wait for missing images", lambda: _rest_of_images(world))


def _rest_of_images(world: World) -> None:
    people.upload_images(world, "meters", numbers=range(2, people.LINES))


def _half_an_upload(world: World) -> None:
    people.upload(world, "meters", images=False)
    people.upload_images(world, "meters", numbers=range(3))


def _next_version(world: World) -> None:
    people.upload(world, "meters")
    world.at_state("Plan training", lambda: people.upload(world, "meters"))


def _while_a_run_goes_on(world: World) -> None:
    people.upload(world, "meters")
    world.at_state("Unpack archives", lambda: people.upload(world, "plates"))
    world.at_state("Fine-tune recognizer", lambda: people.upload_archive(world, "receipts"))


def _same_again(world: World) -> None:
    people.upload_the_same_again(world, "meters")


def _worse(world: World) -> None:
    world.candidates_are_worse = True
    people.upload(world, "meters")


def _broken_training(world: World) -> None:
    people.upload(world, "meters")
    world.jobs_to_break["Fine-tune recognizer"] = "training job fails"


def _plates(world: World) -> None:
    people.upload(world, "plates")


def _aborted(world: World) -> None:
    people.upload(world, "meters")
    world.at_state(
        "Evaluate candidate and champion", lambda: world.end(world.running[0], "ABORTED")
    )


def _ends_told_twice(world: World) -> None:
    people.upload(world, "meters")
    world.at_state("Announce result", lambda: people.upload(world, "plates"))
    world.ends_told = 3


def _paused(world: World) -> None:
    world.pause(minutes=30)
    people.upload(world, "meters")
    people.upload(world, "plates")


def _golden(world: World) -> None:
    people.upload_golden(world, "general")
    people.upload(world, "meters")


def _golden_archive(world: World) -> None:
    people.upload_golden_archive(world, "general")
    people.upload(world, "meters")


def _unannounced(world: World) -> None:
    people.upload(world, "meters")
    world.queue.clear()


def _poison(world: World) -> None:
    world.send("this is no event")
    people.upload(world, "meters")


def _unusable(world: World) -> None:
    people.upload(world, "meters")
    people.upload(world, "empty", images=False)


SCENARIOS = (
    Scenario(
        "one upload",
        _one_upload,
        later=(_same_again,),
        gone_through=frozenset(
            {
                "start_retraining",
                "validate_dataset",
                "plan_training",
                "judge_candidate",
                "register_model",
            }
        ),
    ),
    Scenario("three datasets at once", _several_uploads),
    Scenario(
        "an archive",
        _archive,
        later=(_same_again,),
        gone_through=frozenset({"unpack_archives"}),
    ),
    Scenario("labels before images", _labels_first),
    Scenario("half an upload", _half_an_upload),
    Scenario("a new version during a run", _next_version),
    Scenario("uploads while a run goes on", _while_a_run_goes_on),
    Scenario("a worse candidate", _worse, later=(_plates,)),
    Scenario("a training that fails", _broken_training, later=(_plates,)),
    Scenario("an aborted run", _aborted, later=(_plates,)),
    Scenario("an end told three times", _ends_told_twice),
    Scenario("a pause", _paused),
    Scenario("a golden set", _golden),
    Scenario("a golden set in an archive", _golden_archive),
    Scenario("an upload that nobody announces", _unannounced),
    Scenario("a poisoned event among good ones", _poison),
    Scenario(
        "many images",
        _one_upload,
        {"IMAGES_PER_FUNCTION": "2"},
        gone_through=frozenset({"check_images", "finish_validation"}),
    ),
    Scenario(
        "too few lines for a run",
        _one_upload,
        {"MIN_NEW_LINES": "6", "MAX_WAIT_MINUTES": "60"},
    ),
    Scenario(
        "a dataset nothing can be used of",
        _unusable,
        {"UPLOAD_WAIT_SECONDS": "60"},
        unusable=frozenset({"empty"}),
    ),
    Scenario("no model to begin with", _one_upload, has_model=False),
)

"""What a report is made from, as the files of a run hold it. Pure.

All of it is optional and untrusted: labels are what users typed, and files of earlier versions lack
fields. What does not have the agreed shape is left out by itself, never with its neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

_Model = TypeVar("_Model", bound=BaseModel)

# Far above what the jobs write; a file that claims more does not fill the function's memory.
MOST_SLICES = 400
MOST_EXAMPLES = 24
MOST_CONFUSIONS = 20
MOST_NEW_CHARACTERS = 200
MOST_EPOCHS = 2000
MOST_DATASETS = 100
MOST_LISTED = 100


class Part(BaseModel):
    """A part of an input; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


def _each(model: type[_Model], most: int) -> BeforeValidator:
    """Keep the items that have the model's shape, at most that many."""

    def keep(given: object) -> list[_Model]:
        items = given if isinstance(given, list | tuple) else []
        parsed = (parse(model, each) for each in items[:most])
        return [each for each in parsed if each is not None]

    return BeforeValidator(keep)


def _or_nothing(model: type[_Model]) -> BeforeValidator:
    return BeforeValidator(lambda given: parse(model, given))


def _texts(given: object) -> list[str]:
    items = given if isinstance(given, list | tuple) else []
    return [each for each in items[:MOST_LISTED] if isinstance(each, str)]


def _plain(given: object) -> dict[str, str]:
    """Keep what can be told in a word, as text."""
    items = given.items() if isinstance(given, Mapping) else ()
    return {
        str(name): str(value)
        for name, value in list(items)[:MOST_LISTED]
        if isinstance(value, str | int | float)
    }


def _counts(given: object) -> dict[str, int]:
    items = given.items() if isinstance(given, Mapping) else ()
    return {
        str(name): value
        for name, value in list(items)[:MOST_LISTED]
        if isinstance(value, int) and value > 0
    }


def _interval(given: object) -> object:
    right = (
        isinstance(given, list | tuple)
        and len(given) == 2
        and all(isinstance(each, int | float) for each in given)
    )
    return given if right else None


Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]
Facts = Annotated[dict[str, str], BeforeValidator(_plain)]
Counts = Annotated[dict[str, int], BeforeValidator(_counts)]
Interval = Annotated[tuple[float, float] | None, BeforeValidator(_interval)]
Number = float | None
Count = Annotated[int, Field(ge=0)]


def parse(model: type[_Model], content: object) -> _Model | None:
    """Read one part; None when it does not have the agreed shape."""
    if isinstance(content, model):
        return content
    try:
        return model.model_validate(content)
    except ValidationError:
        return None


class Metrics(Part):
    """How well one model reads a slice; shares are 0..1."""

    exact_match: Number = None
    character_error_rate: Number = None
    expected_calibration_error: Number = None
    milliseconds_per_line: Number = None


class Confusion(Part):
    """What was read instead of what; "" stands for nothing."""

    truth: str
    read: str
    count: Count


class Confusions(Part):
    """The most frequent ones of both models."""

    champion: Annotated[tuple[Confusion, ...], _each(Confusion, MOST_CONFUSIONS)] = ()
    candidate: Annotated[tuple[Confusion, ...], _each(Confusion, MOST_CONFUSIONS)] = ()


class NewCharacter(Part):
    """How often a character occurs that the champion does not know, and how often it is read."""

    character: str
    occurrences: Count
    candidate_recalled: float = 0.0
    champion_recalled: float = 0.0


class Example(Part):
    """One line as both models read it; ``picture`` is relative to evaluation.json."""

    image: str = ""
    truth: str
    champion: str | None = None
    candidate: str
    candidate_confidence: Number = None
    picture: str = ""


class Examples(Part):
    """Lines that tell most about the candidate."""

    worst: Annotated[tuple[Example, ...], _each(Example, MOST_EXAMPLES)] = ()
    most_improved: Annotated[tuple[Example, ...], _each(Example, MOST_EXAMPLES)] = ()


class SliceResult(Part):
    """The evaluation of one slice."""

    name: str
    kind: str
    lines: Count
    available: Count | None = None
    unreadable: Texts = ()
    champion: Annotated[Metrics | None, _or_nothing(Metrics)] = None
    candidate: Annotated[Metrics | None, _or_nothing(Metrics)] = None
    confusions: Annotated[Confusions | None, _or_nothing(Confusions)] = None
    new_characters: Annotated[
        tuple[NewCharacter, ...], _each(NewCharacter, MOST_NEW_CHARACTERS)
    ] = ()
    examples: Annotated[Examples | None, _or_nothing(Examples)] = None


class EvaluatedModel(Part):
    """One of the two models; ``error`` says why it could not be compared."""

    package_arn: str = ""
    sha256: str = ""
    dictionary_size: Count | None = None
    error: str = ""


class Evaluation(Part):
    """evaluation.json."""

    champion: Annotated[EvaluatedModel | None, _or_nothing(EvaluatedModel)] = None
    candidate: Annotated[EvaluatedModel | None, _or_nothing(EvaluatedModel)] = None
    slices: Annotated[tuple[SliceResult, ...], _each(SliceResult, MOST_SLICES)] = ()


class SliceVerdict(Part):
    """What verdict.json says of one slice; intervals are of fractions, 95 %."""

    name: str
    kind: str
    lines: Count
    champion_exact_match: Number = None
    candidate_exact_match: Number = None
    difference: Number = None
    passed: bool = True
    sentence: str = ""
    p_value: Number = None
    confidence_interval: Interval = None
    champion_interval: Interval = None
    candidate_interval: Interval = None
    drop_bound: Number = None


class Verdict(Part):
    """verdict.json."""

    promote: bool
    headline: str
    reasons: Texts = ()
    slices: Annotated[tuple[SliceVerdict, ...], _each(SliceVerdict, MOST_SLICES)] = ()
    policy: Facts = {}


class Epoch(Part):
    """One pass over the training lines; epoch 0 is the champion as it was."""

    epoch: Count
    loss: Number = None
    learning_rate: Number = None
    dev_exact_match: Number = None
    guard_exact_match: Number = None
    images_per_second: Number = None
    seconds: Number = None


class Training(Part):
    """The candidate's manifest.json."""

    parent_package_arn: str = ""
    dictionary_size: Count | None = None
    family: str = ""
    metrics: Facts = {}
    versions: Facts = {}
    history: Annotated[tuple[Epoch, ...], _each(Epoch, MOST_EPOCHS)] = ()


class DatasetFindings(Part):
    """What the label lines of one dataset came to."""

    name: str
    label_files: Texts = ()
    label_lines: Count = 0
    missing_images: Count = 0
    train_lines: Count = 0
    holdout_lines: Count = 0
    unused_lines: Counts = {}
    holdout_rule: str = ""
    set_aside: str = ""


class Problem(Part):
    """One kind of problem, with its first places."""

    code: str
    count: Count
    first: Texts = ()


class Validation(Part):
    """validation.json."""

    reason: str = ""
    outcome: str = ""
    notes: Texts = ()
    datasets: Annotated[tuple[DatasetFindings, ...], _each(DatasetFindings, MOST_DATASETS)] = ()
    missing_count: Count = 0
    missing: Texts = ()
    missing_uri: str = ""
    normalised: Counts = {}
    problems: Annotated[tuple[Problem, ...], _each(Problem, MOST_LISTED)] = ()
    problems_uri: str = ""


class Champion(Part):
    """The package that training started from."""

    package_arn: str = ""
    package_version: Count | None = None
    model_data: str = ""


class Plan(Part):
    """plan.json."""

    datasets: Texts = ()
    champion: Annotated[Champion | None, _or_nothing(Champion)] = None
    hyperparameters: Facts = {}
    train_lines: Count = 0
    dev_lines: Count = 0
    replay_lines: Count = 0
    new_characters: Texts = ()


class LabelFile(Part):
    """One version of a label file or archive that the run read."""

    dataset: str
    name: str
    etag: str
    version_id: str = ""
    lines: Count | None = None


class Job(Part):
    """One job of the run, as SageMaker tells of it; seconds of instances, not of work."""

    kind: Literal["training", "evaluation"]
    name: str
    status: str
    instance_type: str
    instance_count: Annotated[int, Field(ge=1)] = 1
    seconds: float | None = None
    billable_seconds: float | None = None
    spot: bool = False
    image: str = ""


def whole(content: Any) -> Mapping[str, Any] | None:  # noqa: ANN401  # whatever a file holds
    """Give a file's document; None when it is not an object."""
    return content if isinstance(content, Mapping) else None

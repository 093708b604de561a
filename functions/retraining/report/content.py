"""From a run's material to what its report says, section by section. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from retraining.outcomes import NOTHING_TO_TRAIN
from retraining.report import charts, examples
from retraining.report.costs import Costs, costs_of
from retraining.report.examples import ShownLine
from retraining.report.inputs import (
    Confusion,
    DatasetFindings,
    Epoch,
    EvaluatedModel,
    LabelFile,
    Metrics,
    NewCharacter,
    Problem,
    SliceResult,
    SliceVerdict,
    Training,
    Validation,
)
from retraining.report.material import Material
from retraining.texts import duration
from retraining.validation_report import in_words

_MOST_SLICES = 60
_MOST_CONFUSIONS = 15
_MOST_PROBLEMS = 30
_OUTCOMES = ("Promoted", "Rejected")
_KINDS = {"new": "new data", "old": "earlier data", "golden": "golden set"}
# What the training job's metrics of lines that it did not use are called, before the reason.
_SET_ASIDE = "set_aside_"
# They are told in sections of their own.
_NOT_SETTINGS = frozenset({"run_id", "parent_package_arn", "dataset_ids"})


@dataclass(frozen=True)
class SliceRow:
    """A slice, what the verdict says of it, and what else was measured."""

    verdict: SliceVerdict
    kind: str
    champion: Metrics | None
    candidate: Metrics | None
    available: int | None
    unreadable: int


@dataclass(frozen=True)
class Curve:
    """The course of a training."""

    loss: Markup | None
    progress: Markup | None
    epochs: tuple[Epoch, ...]
    seconds: float | None


@dataclass(frozen=True)
class DatasetRow:
    """What became of the label lines of one dataset."""

    findings: DatasetFindings
    unused: tuple[tuple[str, int], ...]
    files: tuple[LabelFile, ...]


@dataclass(frozen=True)
class ProblemRow:
    """One kind of problem in words."""

    what: str
    problem: Problem


@dataclass(frozen=True)
class Fact:
    """One line of a list of facts; ``code`` for what is copied rather than read."""

    name: str
    value: str
    code: bool = False


@dataclass(frozen=True)
class Content:
    """What the page shows. Empty sections are left out by the page, and ``gaps`` says why."""

    run_id: str
    outcome: str
    headline: str
    trained: bool
    written_at: str
    took: str
    datasets: tuple[str, ...]
    reasons: tuple[str, ...]
    policy: Mapping[str, str]
    no_champion: str
    slices: tuple[SliceRow, ...]
    more_slices: int
    accuracy: Markup | None
    curve: Curve | None
    confusions: tuple[tuple[str, tuple[Confusion, ...]], ...]
    new_characters: tuple[NewCharacter, ...]
    worst: tuple[ShownLine, ...]
    most_improved: tuple[ShownLine, ...]
    validation: Validation | None
    data: tuple[DatasetRow, ...]
    problems: tuple[ProblemRow, ...]
    lineage: tuple[Fact, ...]
    settings: Mapping[str, str]
    versions: Mapping[str, str]
    costs: Costs | None
    gaps: tuple[str, ...]


def content_of(material: Material) -> Content:
    """Say everything that the material tells."""
    outcome, headline = _headline(material)
    verdict, evaluation, validation = material.verdict, material.evaluation, material.validation
    rows = _slices(material)
    took = material.written_at - material.started_at if material.started_at else None
    return Content(
        run_id=material.run_id,
        outcome=outcome,
        headline=headline,
        trained=material.trained,
        written_at=f"{material.written_at:%Y-%m-%d %H:%M} UTC",
        took=duration(took.total_seconds()) if took else "",
        datasets=_datasets(material),
        reasons=verdict.reasons if verdict else (),
        policy=verdict.policy if verdict else {},
        no_champion=_no_champion(evaluation.champion if evaluation else None),
        slices=rows[:_MOST_SLICES],
        more_slices=max(0, len(rows) - _MOST_SLICES),
        accuracy=charts.accuracy_chart([each.verdict for each in rows]) if rows else None,
        curve=_curve(material),
        confusions=_confusions(evaluation.slices if evaluation else ()),
        new_characters=_new_characters(evaluation.slices if evaluation else ()),
        worst=_lines(examples.worst(evaluation), material) if evaluation else (),
        most_improved=_lines(examples.most_improved(evaluation), material) if evaluation else (),
        validation=validation,
        data=_data(validation, material.label_files) if validation else (),
        problems=_problems(validation, material.training) if validation else (),
        lineage=tuple(_lineage(material)),
        settings=_settings(material),
        versions=material.training.versions if material.training else {},
        costs=costs_of(material.jobs, material.prices) if material.trained else None,
        gaps=(*material.gaps, *_missing_parts(material)),
    )


def _headline(material: Material) -> tuple[str, str]:
    if not material.trained:
        reason = material.validation.reason if material.validation else ""
        outcome = material.validation.outcome if material.validation else ""
        return outcome or NOTHING_TO_TRAIN, reason or "No usable line was found."
    if material.verdict is None:
        return "Unknown", "The verdict of this run cannot be read."
    outcome, colon, rest = material.verdict.headline.partition(": ")
    if colon and outcome in _OUTCOMES:
        return outcome, rest[:1].upper() + rest[1:]
    return "Promoted" if material.verdict.promote else "Rejected", material.verdict.headline


def _datasets(material: Material) -> tuple[str, ...]:
    if material.plan and material.plan.datasets:
        return material.plan.datasets
    return tuple(each.name for each in material.validation.datasets) if material.validation else ()


def _no_champion(champion: EvaluatedModel | None) -> str:
    return champion.error if champion else ""


def _slices(material: Material) -> tuple[SliceRow, ...]:
    """Join verdict and evaluation; without a verdict the evaluation's own numbers are shown."""
    evaluated = {(each.kind, each.name): each for each in _evaluated(material)}
    verdicts = material.verdict.slices if material.verdict else ()
    if not verdicts:
        verdicts = tuple(_unjudged(each) for each in evaluated.values())
    return tuple(_row(each, evaluated.get((each.kind, each.name))) for each in verdicts)


def _evaluated(material: Material) -> Sequence[SliceResult]:
    return material.evaluation.slices if material.evaluation else ()


def _unjudged(part: SliceResult) -> SliceVerdict:
    return SliceVerdict(
        name=part.name,
        kind=part.kind,
        lines=part.lines,
        champion_exact_match=part.champion.exact_match if part.champion else None,
        candidate_exact_match=part.candidate.exact_match if part.candidate else None,
        sentence="It was not judged.",
    )


def _row(verdict: SliceVerdict, part: SliceResult | None) -> SliceRow:
    return SliceRow(
        verdict=verdict,
        kind=_KINDS.get(verdict.kind, verdict.kind),
        champion=part.champion if part else None,
        candidate=part.candidate if part else None,
        available=part.available if part else None,
        unreadable=len(part.unreadable) if part else 0,
    )


def _curve(material: Material) -> Curve | None:
    history = material.training.history if material.training else ()
    if not history:
        return None
    seconds = [each.seconds for each in history if each.seconds is not None]
    return Curve(
        loss=charts.loss_chart(history) if any(e.loss is not None for e in history) else None,
        progress=charts.progress_chart(history)
        if any(each.dev_exact_match is not None for each in history)
        else None,
        epochs=history,
        seconds=sum(seconds) if seconds else None,
    )


def _confusions(
    slices: Iterable[SliceResult],
) -> tuple[tuple[str, tuple[Confusion, ...]], ...]:
    found: dict[str, Counter[tuple[str, str]]] = {"candidate": Counter(), "champion": Counter()}
    for part in slices:
        for model, counted in found.items():
            for each in getattr(part.confusions, model, ()):
                counted[each.truth, each.read] += each.count
    return tuple(
        (
            model,
            tuple(
                Confusion(truth=truth, read=read, count=count)
                for (truth, read), count in counted.most_common(_MOST_CONFUSIONS)
            ),
        )
        for model, counted in found.items()
        if counted
    )


def _new_characters(slices: Iterable[SliceResult]) -> tuple[NewCharacter, ...]:
    total: dict[str, NewCharacter] = {}
    for part in slices:
        for each in part.new_characters:
            before = total.get(each.character)
            total[each.character] = each if before is None else _sum(before, each)
    # Those that are read worst are what somebody looks for.
    return tuple(sorted(total.values(), key=lambda each: (_recall(each), -each.occurrences)))


def _sum(one: NewCharacter, other: NewCharacter) -> NewCharacter:
    return NewCharacter(
        character=one.character,
        occurrences=one.occurrences + other.occurrences,
        candidate_recalled=one.candidate_recalled + other.candidate_recalled,
        champion_recalled=one.champion_recalled + other.champion_recalled,
    )


def _recall(each: NewCharacter) -> float:
    return each.candidate_recalled / each.occurrences if each.occurrences else 1.0


def _lines(chosen: Iterable[examples.Chosen], material: Material) -> tuple[ShownLine, ...]:
    return tuple(examples.shown(each, material.pictures) for each in chosen)


def _data(validation: Validation, files: Sequence[LabelFile]) -> tuple[DatasetRow, ...]:
    return tuple(
        DatasetRow(
            findings=each,
            unused=tuple(
                (in_words(code), count)
                for code, count in sorted(each.unused_lines.items(), key=lambda item: -item[1])
            ),
            files=tuple(file for file in files if file.dataset == each.name),
        )
        for each in validation.datasets
    )


def _problems(validation: Validation, training: Training | None) -> tuple[ProblemRow, ...]:
    found = [*validation.problems, *_found_by_the_job(training)]
    ordered = sorted(found, key=lambda each: -each.count)[:_MOST_PROBLEMS]
    return tuple(ProblemRow(in_words(each.code), each) for each in ordered)


def _found_by_the_job(training: Training | None) -> Iterable[Problem]:
    """Tell the lines that only the training job could judge: it knows its network's steps."""
    for name, count in (training.metrics if training else {}).items():
        if name.startswith(_SET_ASIDE) and count.isdecimal():
            yield Problem(code=name.removeprefix(_SET_ASIDE), count=int(count))


def _lineage(material: Material) -> Iterable[Fact]:
    champion = material.plan.champion if material.plan else None
    if champion and champion.package_arn:
        yield Fact("Trained from", champion.package_arn, code=True)
    if champion and champion.model_data:
        yield Fact("Its weights", champion.model_data, code=True)
    if material.evaluation and material.evaluation.candidate:
        candidate = material.evaluation.candidate
        if candidate.sha256:
            yield Fact("SHA-256 of the candidate", candidate.sha256, code=True)
        if candidate.dictionary_size is not None:
            yield Fact("Characters it can write", f"{candidate.dictionary_size:,}")
    if material.training and material.training.family:
        yield Fact("Network", material.training.family)
    for image in dict.fromkeys(each.image for each in material.jobs if each.image):
        digest = material.digests.get(image)
        yield Fact("Image of the jobs", image, code=True)
        yield Fact(
            "What its name stands for", digest or "could not be looked up", code=bool(digest)
        )
    yield Fact("Version of the code", material.code_version or "not told at deployment")
    yield Fact("Fingerprint of the code", material.code_fingerprint, code=True)


def _settings(material: Material) -> dict[str, str]:
    """Give what the training was told, and what it chose where it was told nothing."""
    chosen = material.training.metrics if material.training else {}
    given = material.plan.hyperparameters if material.plan else {}
    wanted = {name: value for name, value in given.items() if name not in _NOT_SETTINGS}
    return {**chosen, **wanted}


def _missing_parts(material: Material) -> Iterable[str]:
    """Say what files of earlier versions do not tell."""
    evaluation, training = material.evaluation, material.training
    if evaluation and not any(each.confusions for each in evaluation.slices):
        yield "The evaluation does not tell which characters were confused."
    if evaluation and not any(
        each.examples and (each.examples.worst or each.examples.most_improved)
        for each in evaluation.slices
    ):
        yield "The evaluation names no example lines."
    if training and not training.history:
        yield "The training does not tell its course, epoch by epoch."
    if material.verdict and not any(each.candidate_interval for each in material.verdict.slices):
        yield "The verdict gives no confidence intervals."

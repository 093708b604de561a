"""The message of an announcement, as a person reads it. Pure.

Names, labels and error texts are of strangers: each is made one line of printable characters, and
everything is bounded, so that the message fits SNS whatever a dataset holds.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from retraining import announcing_links as links
from retraining.announcing_facts import Facts, Slice
from retraining.announcing_request import Problem
from retraining.texts import duration, shortened

LONGEST_SUBJECT = 100
_LONGEST_SENTENCE = 500
_LONGEST_NAME = 80
_MOST_SENTENCES = 30
_MOST_DATASETS = 10
_MOST_PROBLEMS = 15
_MOST_EXAMPLES = 2
_KINDS = {"new": "new", "old": "earlier", "golden": "golden"}


@dataclass(frozen=True)
class Message:
    """Subject: at most 100 printable ASCII characters. Body: lines, below 100 kB."""

    subject: str
    body: str


def compose(facts: Facts, stack: str) -> Message:
    """Write the message about the end of an execution."""
    parts = (_headline(facts), *_sections(facts))
    body = "\n\n".join("\n".join(part) for part in parts if part)
    return Message(_subject(facts, stack), f"{body}\n")


def one_line(text: str, longest: int = _LONGEST_SENTENCE) -> str:
    """Make any text one bounded line without control or invisible characters."""
    return shortened(" ".join(text.split()), longest)


def _subject(facts: Facts, stack: str) -> str:
    about = f"run {facts.run_id}"
    if facts.machine == "deploy":
        about = "deployment" if facts.version is None else f"deployment of version {facts.version}"
    text = one_line(f"{stack}: {facts.outcome}, {about}")
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "replace").decode()
    return ascii_only[:LONGEST_SUBJECT].strip()


def _headline(facts: Facts) -> list[str]:
    reason = one_line(facts.reason).removeprefix(f"{facts.outcome}: ")
    return [f"{one_line(facts.outcome, _LONGEST_NAME)}: {reason or 'no reason was given.'}"]


def _sections(facts: Facts) -> Iterator[list[str]]:
    yield _about(facts)
    yield _list("Lines read exactly, before -> after:", map(_slice, facts.slices))
    yield _list("Why:", map(one_line, facts.reasons))
    yield _list("New characters:", map(one_line, facts.notes))
    yield _data(facts)
    # Commands are to be copied: what cannot be typed is not among them, so nothing is escaped here.
    yield _list("What you can do next:", (f"{s.command}   {s.purpose}" for s in facts.next_steps))
    yield _links(facts)


def _about(facts: Facts) -> list[str]:
    took = f"{duration(facts.seconds)}, until {facts.ended_at:%Y-%m-%d %H:%M} UTC"
    rows = [("Run", f"{one_line(facts.run_id, _LONGEST_NAME)}, {took}" if facts.run_id else "")]
    if facts.machine == "deploy":
        rows = [("Endpoint", one_line(facts.endpoint_name, _LONGEST_NAME)), ("Took", took)]
    rows += [("Datasets", _names(facts.datasets)), ("Model", _model(facts))]
    if facts.estimated_cost is not None:
        rows.append(("Jobs cost", f"about {facts.estimated_cost:,.2f} USD"))
    return [f"{name + ':':<11}{value}" for name, value in rows if value]


def _names(datasets: Sequence[str]) -> str:
    shown = [one_line(each, _LONGEST_NAME) for each in datasets[:_MOST_DATASETS]]
    more = len(datasets) - len(shown)
    return ", ".join([*shown, *([f"and {more} more"] if more else [])])


def _model(facts: Facts) -> str:
    before = "" if facts.champion_version is None else f", trained from {facts.champion_version}"
    return "" if facts.version is None else f"version {facts.version}{before}"


def _slice(each: Slice) -> str:
    name = one_line(each.name, _LONGEST_NAME)
    about = f"{name} ({_KINDS.get(each.kind, 'other')}, {each.lines:,} lines)"
    after = f"{100 * each.candidate_exact_match:.1f} %"
    if each.champion_exact_match is None:
        return f"{about}: {after}"
    points = 100 * (each.candidate_exact_match - each.champion_exact_match)
    failed = "" if each.passed else ", not good enough"
    before = f"{100 * each.champion_exact_match:.1f} %"
    return f"{about}: {before} -> {after} ({points:+.1f} points{failed})"


def _data(facts: Facts) -> list[str]:
    if facts.train_lines is None:
        return []
    said = f"Data: {facts.train_lines:,} lines to train on, {facts.holdout_lines or 0:,} held out"
    if not facts.problems:
        return [f"{said}; nothing was set aside."]
    return _list(f"{said}. Set aside:", map(_problem, facts.problems[:_MOST_PROBLEMS]))


def _problem(each: Problem) -> str:
    first = [one_line(name, _LONGEST_NAME) for name in each.first[:_MOST_EXAMPLES]]
    code = one_line(each.code, _LONGEST_NAME).replace("_", " ")
    return f"{code}: {each.count:,}" + (f" (first: {'; '.join(first)})" if first else "")


def _links(facts: Facts) -> list[str]:
    report = links.s3_object(facts.report_uri, facts.execution_arn)
    rows = [
        ("Report", report),
        ("", facts.report_uri if report else ""),
        ("Execution", links.execution(facts.execution_arn)),
    ]
    return [f"{name + ':' if name else '':<11}{value}" for name, value in rows if value]


def _list(title: str, rows: Iterable[str]) -> list[str]:
    shown = list(rows)
    more = len(shown) - _MOST_SENTENCES
    kept = [f"  - {row}" for row in shown[:_MOST_SENTENCES]]
    if more > 0:
        kept.append(f"  - and {more} more")
    return [title, *kept] if shown else []

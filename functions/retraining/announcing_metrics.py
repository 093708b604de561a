"""What the end of an execution measures. Pure."""

from retraining.announcing_facts import Facts, Slice
from retraining.metrics import Dimension, Measurement, Metric, Model, dimension_value

_MOST_SLICES = 20


def measurements_of(facts: Facts) -> list[Measurement]:
    """Tell what the end of an execution measures."""
    outcome = {Dimension.OUTCOME: dimension_value(facts.outcome)}
    if facts.machine == "deploy":
        return [Measurement({Metric.DEPLOYMENTS: 1}, outcome)]
    known = {
        Metric.TRAIN_LINES: facts.train_lines,
        Metric.HOLDOUT_LINES: facts.holdout_lines,
        Metric.SET_ASIDE: None if facts.train_lines is None else facts.set_aside,
        Metric.ESTIMATED_COST: facts.estimated_cost,
    }
    values: dict[Metric, float] = {Metric.RUN_SECONDS: facts.seconds}
    values |= {name: value for name, value in known.items() if value is not None}
    found = [Measurement({Metric.RUNS: 1}, outcome), Measurement(values)]
    for each in facts.slices[:_MOST_SLICES]:
        found += _accuracies(each, facts)
    return found


def _accuracies(each: Slice, facts: Facts) -> list[Measurement]:
    by_model = (
        (Model.CHAMPION, each.champion_exact_match, facts.champion_version),
        (Model.CANDIDATE, each.candidate_exact_match, facts.version),
    )
    found = []
    for model, share, version in by_model:
        if share is None:
            continue
        value = {Metric.EXACT_MATCH: round(100 * share, 4)}
        about = {Dimension.SLICE: dimension_value(f"{each.kind}/{each.name}")}
        found.append(Measurement(value, {**about, Dimension.MODEL: model}))
        if version is not None:
            found.append(Measurement(value, {**about, Dimension.VERSION: str(version)}))
    return found

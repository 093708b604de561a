"""Plans a run: reads what there is to learn and to keep, writes what the jobs read."""

import json
from collections.abc import Mapping, Sequence
from typing import TypedDict

from retraining import names, s3_layout
from retraining.golden import load_golden_sets
from retraining.ledger import Ledger
from retraining.ledger_items import Dataset
from retraining.lines import format_lines, parse_lines
from retraining.new_characters import format_characters, parse_characters
from retraining.normalization import Normalization
from retraining.planning import (
    DatasetLines,
    GoldenSet,
    Plan,
    PlanningError,
    make_plan,
    manifest,
    only_existing,
    replay_ratio,
    slices_index,
)
from retraining.registry import Package, Registry
from retraining.settings import Settings
from retraining.storage import Bucket

_LONGEST_HYPERPARAMETER = 2500


class Planned(TypedDict):
    """What the state machine needs to start the jobs; the whole plan lies at ``plan``."""

    champion_package_arn: str
    champion_model_data: str
    training_job_name: str
    evaluation_job_name: str
    hyperparameters: dict[str, str]
    labels_uri: str
    training_manifest_uri: str
    slices_uri: str
    evaluation_manifest_uri: str
    evaluation_output_uri: str
    checkpoints_uri: str
    plan: str
    new_lines: int
    replay_lines: int
    new_characters: int
    slices: int


def plan_training(
    run_id: str,
    datasets: Sequence[str],
    bucket: Bucket,
    ledger: Ledger,
    registry: Registry,
    settings: Settings,
) -> Planned:
    """Plan the training and evaluation of a run and write their inputs.

    Raises NoChampionError without an approved model, PlanningError when there is nothing to
    train on or a hyperparameter cannot be used.
    """
    champion = registry.champion()
    ratio = replay_ratio(settings.hyperparameters)
    new = [_new_dataset(run_id, name, bucket) for name in datasets]
    trained = [
        each
        for each in ledger.datasets()
        if each.trained_train_uri and each.name not in set(datasets)
    ]
    normalization = settings.text_normalization
    earlier = [_earlier_dataset(each, bucket, normalization) for each in trained]
    golden = load_golden_sets(bucket, normalization)
    plan = make_plan(new, earlier, golden, replay_ratio=ratio, salt=run_id)
    if not plan.train:
        raise PlanningError(f"Run {run_id} has no usable line to train on; drop labelled lines.")
    used = [each.name for each in new if each.train]
    parameters = _hyperparameters(run_id, champion, used, settings.hyperparameters)
    characters = parse_characters(bucket.read_text(s3_layout.new_characters(run_id)))
    _write_inputs(run_id, plan, characters, bucket)
    about = {
        **_about(run_id, plan, champion, used, earlier, golden, parameters),
        "new_characters": list(characters),
    }
    return {
        "champion_package_arn": champion.arn,
        "champion_model_data": champion.model_data,
        "training_job_name": names.training_job(settings.prefix, run_id),
        "evaluation_job_name": names.evaluation_job(settings.prefix, run_id),
        "hyperparameters": parameters,
        "labels_uri": bucket.uri(s3_layout.labels_prefix(run_id)),
        "training_manifest_uri": bucket.uri(s3_layout.training_manifest(run_id)),
        "slices_uri": bucket.uri(s3_layout.slices_prefix(run_id)),
        "evaluation_manifest_uri": bucket.uri(s3_layout.evaluation_manifest(run_id)),
        "evaluation_output_uri": bucket.uri(s3_layout.evaluation_output(run_id)),
        "checkpoints_uri": bucket.uri(s3_layout.checkpoints(run_id)),
        "plan": bucket.write_json(s3_layout.plan(run_id), about),
        "new_lines": len(plan.train) + len(plan.dev),
        "replay_lines": len(plan.replay),
        "new_characters": len(characters),
        "slices": len(plan.slices),
    }


def _new_dataset(run_id: str, name: str, bucket: Bucket) -> DatasetLines:
    return DatasetLines(
        name,
        train=parse_lines(bucket.read_text(s3_layout.train_lines(run_id, name))),
        holdout=parse_lines(bucket.read_text(s3_layout.holdout_lines(run_id, name))),
    )


def _earlier_dataset(
    dataset: Dataset, bucket: Bucket, normalization: Normalization
) -> DatasetLines:
    existing = {each.key for each in bucket.list(s3_layout.dataset_prefix(dataset.name))}
    train = parse_lines(bucket.read_text(bucket.key(dataset.trained_train_uri)))
    holdout = parse_lines(bucket.read_text(bucket.key(dataset.trained_holdout_uri)))
    # They were normalised by the rules of their time; mixed rules would teach two spellings.
    return DatasetLines(
        dataset.name,
        normalization.lines(only_existing(train, existing)),
        normalization.lines(only_existing(holdout, existing)),
    )


def _hyperparameters(
    run_id: str, champion: Package, datasets: Sequence[str], given: Mapping[str, str]
) -> dict[str, str]:
    identifiers = json.dumps(list(datasets), ensure_ascii=False)
    if len(identifiers) > _LONGEST_HYPERPARAMETER:
        raise PlanningError(
            f"The names of the {len(datasets)} datasets of run {run_id} are too long together; "
            "drop fewer datasets at once or give them shorter names."
        )
    own = {
        "run_id": run_id,
        "parent_package_arn": champion.arn,
        "dataset_ids": identifiers,
    }
    return {**given, **own}


def _write_inputs(run_id: str, plan: Plan, characters: Sequence[str], bucket: Bucket) -> None:
    labels, slices = s3_layout.labels_prefix(run_id), s3_layout.slices_prefix(run_id)
    for name, lines in (("train", plan.train), ("dev", plan.dev), ("replay", plan.replay)):
        bucket.write_text(f"{labels}{name}.txt", format_lines(lines))
    if characters:
        bucket.write_text(s3_layout.characters_to_add(run_id), format_characters(characters))
    for each in plan.slices:
        bucket.write_text(f"{slices}{each.file}", format_lines(each.lines))
    bucket.write_json(f"{slices}slices.json", slices_index(plan.slices))
    bucket.write_text(
        s3_layout.training_manifest(run_id), manifest(bucket.name, plan.training_keys())
    )
    bucket.write_text(
        s3_layout.evaluation_manifest(run_id), manifest(bucket.name, plan.evaluation_keys())
    )


def _about(
    run_id: str,
    plan: Plan,
    champion: Package,
    datasets: Sequence[str],
    earlier: Sequence[DatasetLines],
    golden: Sequence[GoldenSet],
    hyperparameters: Mapping[str, str],
) -> dict[str, object]:
    return {
        "run_id": run_id,
        "datasets": list(datasets),
        "champion": {
            "package_arn": champion.arn,
            "package_version": champion.version,
            "model_data": champion.model_data,
        },
        "hyperparameters": dict(hyperparameters),
        "train_lines": len(plan.train),
        "dev_lines": len(plan.dev),
        "replay_lines": len(plan.replay),
        "replay_from": [each.name for each in earlier if each.train],
        "slices": slices_index(plan.slices)["slices"],
        "golden_lines_dropped": {each.name: each.dropped for each in golden if each.dropped},
    }

"""Plans a run: reads what there is to learn and to keep, writes what the jobs read."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from retraining import names, s3_layout
from retraining.golden import load_golden_sets
from retraining.ledger import Ledger
from retraining.ledger_items import Dataset
from retraining.lines import Line, parse_line
from retraining.model_data import has_artefact
from retraining.new_characters import format_characters, parse_characters
from retraining.plan_lines import DEV, REPLAY, TRAIN, PlanLines, new_plan_lines
from retraining.planning import (
    GoldenSet,
    PlanningError,
    manifest_rows,
    most_slice_lines,
    replay_ratio,
)
from retraining.protection import job_volume_key, network, output_key
from retraining.registry import Package, Registry
from retraining.settings import Settings
from retraining.storage import Bucket, NoSuchObjectError


class Planned(TypedDict):
    """What the state machine needs to start the jobs; the whole plan lies at ``plan``.

    ``network``, ``output_key`` and the volumes are parts of the jobs' requests, empty where the
    parameters ask for nothing.
    ``dataset_ids`` is a hyperparameter that a pipeline, which can hand over no object, has to name.
    """

    champion_package_arn: str
    champion_model_data: str
    training_job_name: str
    evaluation_job_name: str
    hyperparameters: dict[str, str]
    dataset_ids: str
    labels_uri: str
    training_manifest_uri: str
    slices_uri: str
    evaluation_manifest_uri: str
    evaluation_output_uri: str
    checkpoints_uri: str
    network: dict[str, Any]
    output_key: dict[str, str]
    training_volume: dict[str, str]
    evaluation_volume: dict[str, str]
    plan: str
    new_lines: int
    replay_lines: int
    new_characters: int
    slices: int


@dataclass(frozen=True)
class Planner:
    """Plans runs, with what that takes."""

    bucket: Bucket
    ledger: Ledger
    registry: Registry
    settings: Settings

    def plan(self, run_id: str, datasets: Sequence[str]) -> Planned:
        """Plan the training and evaluation of a run and write their inputs.

        Raises NoChampionError without an approved model, PlanningError when its artefact is gone,
        when there is nothing to train on or a hyperparameter cannot be used.
        """
        champion = self._champion()
        ratio = replay_ratio(self.settings.hyperparameters)
        with new_plan_lines() as lines:
            used = [name for name in datasets if self._add_new(run_id, name, lines)]
            golden = self._add_earlier_and_golden(run_id, datasets, lines)
            # The run id as salt varies the replay sample from run to run.
            lines.choose(ratio)
            if not lines.count(TRAIN):
                raise PlanningError(
                    f"Run {run_id} has no usable line to train on; drop labelled lines."
                )
            parameters = _hyperparameters(run_id, champion, used, self.settings.hyperparameters)
            characters = parse_characters(self.bucket.read_text(s3_layout.new_characters(run_id)))
            _write_inputs(run_id, lines, characters, self.bucket)
            about = {
                **_about(run_id, lines, champion, used, golden, parameters),
                "new_characters": list(characters),
            }
            self.bucket.write_json(s3_layout.plan(run_id), about)
            return self._planned(run_id, lines, champion, parameters, len(characters))

    # --- reading

    def _champion(self) -> Package:
        champion = self.registry.champion()
        if has_artefact(champion, self.bucket):
            return champion
        raise PlanningError(
            f"Training starts from version {champion.version}, but its model is no longer at "
            f"{champion.model_data}. Put it back (the bucket keeps earlier versions of objects), "
            "or go on from the approved version before it: `ocr-retrain reject "
            f"{champion.version} --reason 'its model is gone'`. Then queue the datasets: "
            "`ocr-retrain retry NAME`."
        )

    def _add_new(self, run_id: str, name: str, lines: PlanLines) -> int:
        holdout = self.bucket.read_rows(s3_layout.holdout_lines(run_id, name))
        lines.add_slice("new", name, map(parse_line, holdout), self._most("new"))
        train = self.bucket.read_rows(s3_layout.train_lines(run_id, name))
        return lines.add_train(map(parse_line, train))

    def _add_earlier_and_golden(
        self, run_id: str, datasets: Sequence[str], lines: PlanLines
    ) -> Sequence[GoldenSet]:
        golden = load_golden_sets(self.bucket, self.ledger, self.settings.text_normalization)
        contents = self._golden_contents()
        for dataset in self.ledger.datasets():
            if dataset.trained_train_uri and dataset.name not in datasets:
                self._add_earlier(dataset, run_id, contents, lines)
        for each in golden:
            lines.add_slice("golden", each.name, each.lines, self._most("golden"))
        return golden

    def _add_earlier(
        self, dataset: Dataset, salt: str, golden: Collection[str], lines: PlanLines
    ) -> None:
        lines.set_existing(
            each.key
            for prefix in (s3_layout.dataset_prefix, s3_layout.extracted_prefix)
            for each in self.bucket.list(prefix(dataset.name))
        )
        lines.set_barred(self._golden_images(dataset, golden) if golden else ())
        lines.add_earlier(dataset.name, self._lines(dataset.trained_train_uri), salt)
        holdout = self._lines(dataset.trained_holdout_uri)
        lines.add_slice("old", dataset.name, holdout, self._most("old"), only_existing=True)

    def _most(self, kind: str) -> int:
        return most_slice_lines(kind, self.settings.max_slice_lines)

    def _lines(self, uri: str) -> Iterator[Line]:
        # They were normalised by the rules of their time; mixed rules would teach two spellings.
        normalization = self.settings.text_normalization
        for row in self.bucket.read_rows(self.bucket.key(uri)):
            yield normalization.line(parse_line(row))

    def _golden_contents(self) -> frozenset[str]:
        return frozenset(
            row.partition("\t")[0]
            for each in self.ledger.golden_sets()
            if each.contents_uri
            for row in self.bucket.read_rows(self.bucket.key(each.contents_uri))
        )

    def _golden_images(self, dataset: Dataset, golden: Collection[str]) -> Iterator[str]:
        """Tell images that were trained on before a golden set brought the same ones."""
        key = s3_layout.images_beside(self.bucket.key(dataset.trained_train_uri))
        try:
            for row in self.bucket.read_rows(key):
                digest, _, image = row.partition("\t")
                if digest in golden:
                    yield image
        except NoSuchObjectError:
            # Runs of earlier versions did not write it.
            return

    # --- telling

    def _planned(
        self,
        run_id: str,
        lines: PlanLines,
        champion: Package,
        parameters: dict[str, str],
        characters: int,
    ) -> Planned:
        uri = self.bucket.uri
        return {
            "champion_package_arn": champion.arn,
            "champion_model_data": champion.model_data,
            "training_job_name": names.training_job(self.settings.prefix, run_id),
            "evaluation_job_name": names.evaluation_job(self.settings.prefix, run_id),
            "hyperparameters": parameters,
            "dataset_ids": parameters["dataset_ids"],
            "labels_uri": uri(s3_layout.labels_prefix(run_id)),
            "training_manifest_uri": uri(s3_layout.training_manifest(run_id)),
            "slices_uri": uri(s3_layout.slices_prefix(run_id)),
            "evaluation_manifest_uri": uri(s3_layout.evaluation_manifest(run_id)),
            "evaluation_output_uri": uri(s3_layout.evaluation_output(run_id)),
            "checkpoints_uri": uri(s3_layout.checkpoints(run_id)),
            "network": network(self.settings),
            "output_key": output_key(self.settings),
            "training_volume": job_volume_key(self.settings, self.settings.training_instance_type),
            "evaluation_volume": job_volume_key(
                self.settings, self.settings.evaluation_instance_type
            ),
            "plan": uri(s3_layout.plan(run_id)),
            "new_lines": lines.count(TRAIN) + lines.count(DEV),
            "replay_lines": lines.count(REPLAY),
            "new_characters": characters,
            "slices": len(lines.slices),
        }


def _hyperparameters(
    run_id: str, champion: Package, datasets: Sequence[str], given: Mapping[str, str]
) -> dict[str, str]:
    own = {
        "run_id": run_id,
        "parent_package_arn": champion.arn,
        "dataset_ids": names.dataset_ids(datasets),
    }
    return {**given, **own}


def _write_inputs(run_id: str, lines: PlanLines, characters: Sequence[str], bucket: Bucket) -> None:
    labels, slices = s3_layout.labels_prefix(run_id), s3_layout.slices_prefix(run_id)
    for part in (TRAIN, DEV, REPLAY):
        bucket.write_rows(f"{labels}{part}.txt", lines.rows(part))
    if characters:
        bucket.write_text(s3_layout.characters_to_add(run_id), format_characters(characters))
    for each in lines.slices:
        bucket.write_rows(f"{slices}{each.file}", lines.rows(each.file))
    bucket.write_json(f"{slices}slices.json", {"slices": [each.as_json() for each in lines.slices]})
    for manifest, keys in (
        (s3_layout.training_manifest, lines.training_keys()),
        (s3_layout.evaluation_manifest, lines.evaluation_keys()),
    ):
        bucket.write_rows(manifest(run_id), manifest_rows(bucket.name, keys))


def _about(
    run_id: str,
    lines: PlanLines,
    champion: Package,
    datasets: Sequence[str],
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
        "train_lines": lines.count(TRAIN),
        "dev_lines": lines.count(DEV),
        "replay_lines": lines.count(REPLAY),
        "replay_from": lines.replayable,
        "slices": [each.as_json() for each in lines.slices],
        "golden_lines_dropped": {each.name: each.dropped for each in golden if each.dropped},
    }

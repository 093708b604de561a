"""A model as training knows it: network, dictionary and configuration, on disk and in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from finetuning.configuration import (
    Config,
    image_shape_of,
    read_config,
    recognizer_config,
    write_config,
)
from finetuning.families import FAMILY_KEY, Family, family_of
from finetuning.networks import Network, load_into, read_weights
from finetuning.progress import EpochRecord
from finetuning.versions import installed_versions
from finetuning.weights import load_weights, save_weights
from recognition.artefact import (
    CONFIG,
    DICTIONARY,
    MANIFEST,
    WEIGHTS,
    Manifest,
    read_manifest,
    write_manifest,
)
from recognition.dictionary import CharacterDictionary

RECIPE = "recipe.yml"


@dataclass(frozen=True)
class TrainableModel:
    """A recognizer whose weights can be trained."""

    network: Network
    dictionary: CharacterDictionary
    architecture: Mapping[str, Any]
    image_shape: tuple[int, int, int]

    @property
    def family(self) -> Family:
        """The network's kind. Raises ConfigError when it is not known."""
        return family_of(self.architecture)

    @property
    def config(self) -> Config:
        """PaddleOCR's configuration of the model."""
        family = self.family
        architecture = {**self.architecture, FAMILY_KEY: family.name}
        config = recognizer_config(architecture, self.image_shape)
        config["Global"]["model_name"] = family.model_name
        return config


@dataclass(frozen=True)
class Lineage:
    """Where a model comes from."""

    run_id: str
    parent_package_arn: str = ""
    dataset_ids: tuple[str, ...] = ()


def load_model(model_dir: Path) -> tuple[TrainableModel, Manifest]:
    """Load an unpacked, complete artefact for training.

    Raises ArtefactError, ConfigError, DictionaryError or WeightsError when it is not usable.
    """
    manifest = read_manifest(model_dir)
    manifest.verify(model_dir, (CONFIG,))
    config = read_config(model_dir / CONFIG)
    family = family_of(config["Architecture"])
    manifest.verify(model_dir, family.files)
    dictionary = CharacterDictionary.read(model_dir / DICTIONARY)
    network = family.build(config["Architecture"], dictionary.classes, model_dir)
    load_into(network, load_weights(model_dir / WEIGHTS))
    model = TrainableModel(network, dictionary, config["Architecture"], image_shape_of(config))
    return model, manifest


def write_model(
    model: TrainableModel,
    lineage: Lineage,
    metrics: Mapping[str, float | int | str | None],
    model_dir: Path,
    recipe: str = "",
    history: Sequence[EpochRecord] = (),
) -> Manifest:
    """Write every file of the artefact; the manifest comes last, so that its presence means done.

    `recipe` is the YAML text of recipe.yml, which says how the model was trained; none for "".
    `history` tells its course epoch by epoch.
    Raises ExportError when the network cannot be exported.
    """
    model_dir.mkdir(parents=True, exist_ok=True)
    (model_dir / MANIFEST).unlink(missing_ok=True)
    save_weights(read_weights(model.network), model_dir / WEIGHTS)
    write_config(model.config, model_dir / CONFIG)
    model.dictionary.write(model_dir / DICTIONARY)
    model.family.export(model, model_dir)
    if recipe:
        (model_dir / RECIPE).write_text(recipe, encoding="utf-8")
    manifest = Manifest(
        run_id=lineage.run_id,
        parent_package_arn=lineage.parent_package_arn,
        dataset_ids=lineage.dataset_ids,
        dictionary_size=len(model.dictionary),
        metrics=dict(metrics),
        versions=installed_versions(),
        history=tuple(asdict(each) for each in history),
        family=model.family.name,
        image_shape=model.image_shape,
    )
    write_manifest(manifest, model_dir)
    return read_manifest(model_dir)

"""One training from start to finish: material, recipe, encoding, training, blending."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle

from finetuning.alphabet import Support, characters_to_add, repeats_per_epoch
from finetuning.artefacts import TrainableModel
from finetuning.checkpoints import CheckpointDirectory
from finetuning.choice import Choice, choose_recipe
from finetuning.device import Device
from finetuning.examples import EncodedLines, Encoder, Mixture
from finetuning.families.family import Depth
from finetuning.growth import grown, without
from finetuning.hyperparameters import Hyperparameters
from finetuning.interpolation import (
    ALL_OF_IT,
    SHARES,
    Blend,
    choose_blend,
)
from finetuning.interruption import StopRequest
from finetuning.labels import read_labels
from finetuning.material import Gatherer, Material
from finetuning.networks import Network, build_network
from finetuning.outputs import all_outputs, rivals
from finetuning.parts import TrainedPart
from finetuning.paths import JobPaths
from finetuning.progress import announce, encoding_line
from finetuning.recipes import Recipe
from finetuning.reparameterization import branched_layers, fuse, unfuse
from finetuning.samples import Resolution, Sample, SampleReader, SetAside
from finetuning.scoring import Judge, Score, best_paths
from finetuning.settling import Settler
from finetuning.storage import ArrayStore
from finetuning.trainer import Trainer, TrainingInterruptedError, trained_weights
from finetuning.weights import Weights
from recognition.artefact import file_sha256
from recognition.dictionary import BLANK
from recognition.preprocessing import LineShape, Tensor, to_tensor

Metrics = dict[str, float | int | str | None]

_CALIBRATION_LINES = 16
_RIVALS = 1024
_FEW_OUTPUTS = 2048


@dataclass(frozen=True)
class Trained:
    """A candidate, the recipe it was made with, and what its manifest tells of the training."""

    model: TrainableModel
    recipe: Recipe
    metrics: Metrics


@dataclass(frozen=True)
class _Encoded:
    """The material, run through the frozen front of the network."""

    new: EncodedLines
    practice: EncodedLines
    old: EncodedLines
    dev: EncodedLines
    guard: EncodedLines


@dataclass(frozen=True)
class TrainingSession:
    """What one job trains with. The stack closes the stores when the job ends."""

    wanted: Hyperparameters
    champion: TrainableModel
    device: Device
    stop: StopRequest
    stack: ExitStack

    def train(self, paths: JobPaths) -> Trained:
        """Return the candidate.

        Raises LabelError when there is nothing to train on, DictionaryError when a character
        cannot be removed, TrainingInterruptedError on SIGTERM.
        """
        set_aside = SetAside()
        pixels = self.stack.enter_context(ArrayStore("uint8"))
        train = read_labels(paths.labels / "train.txt")
        start = self._start(len(train))
        base, added = self._prepared(paths, start.recipe)
        resolution = _resolution(base)
        gatherer = Gatherer(
            labels=paths.labels,
            images=paths.images,
            reader=SampleReader(base.dictionary, resolution, pixels, set_aside),
            known=self.champion.dictionary,
            added=added,
            recipe=start.recipe,
            seed=self.wanted.seed,
        )
        material = gatherer.gather()
        choice = self._start(len(material.new), len(material.practice), len(added))
        recipe = choice.recipe
        support = Support.of(added, (*material.new, *material.practice))
        _announce(choice, material, set_aside, self.device)
        _announce_alphabet(support, self._removed())
        calibration = _calibration_images(material.new, pixels, resolution.shape)
        if not recipe.fresh and recipe.depth != Depth.HEAD:
            # The same function at a fraction of the cost; a frozen backbone is exported fused.
            fuse(base.network)
        part = TrainedPart(base.family, base.network, recipe.depth, resolution.shape, self.device)
        encoded = self._encode(part, material, recipe, resolution, pixels)
        mixture = self._mixture(encoded, support, recipe)
        self._choose_outputs(part, base, encoded, added, recipe)
        judge = Judge(part, base.dictionary, self.device, encoded.dev, encoded.guard)
        before = judge.score()
        checkpoints = CheckpointDirectory(paths.checkpoints, self._fingerprint(paths))
        if checkpoints.latest() is None:
            settler = Settler(part, self.device, self.wanted.seed)
            settler.settle((encoded.new, encoded.practice, encoded.old))
        judge.announce((0, recipe.epochs or 1), before)
        origin = trained_weights(part)
        trainer = Trainer(
            part=part,
            mixture=mixture,
            recipe=recipe,
            seed=self.wanted.seed,
            judge=judge,
            device=self.device,
            checkpoints=checkpoints,
            stop=self.stop,
        )
        best = trainer.run(before)
        shares = SHARES if recipe.blend else ALL_OF_IT
        origin = _with_added_columns(origin, best, part)
        blend = choose_blend(origin, best, judge, before, shares)
        announce(f"blend={blend.share} dev={blend.score.dev:.4f} guard={blend.score.guard:.4f}")
        candidate = dataclasses.replace(base, network=_stock(base, calibration))
        metrics = _metrics(recipe, material, set_aside, support, before, blend)
        metrics["removed_characters"] = len(self._removed())
        return Trained(candidate, recipe, metrics)

    def _start(self, new_lines: int, practice_lines: int = 0, added: int = 0) -> Choice:
        champion = self.champion
        return choose_recipe(
            self.wanted,
            champion.family,
            champion.network,
            self.device,
            new_lines,
            practice_lines,
            added,
        )

    def _prepared(self, paths: JobPaths, recipe: Recipe) -> tuple[TrainableModel, tuple[str, ...]]:
        """Return what training starts from, and the characters that the champion lacks."""
        model = self.champion
        if removed := self._removed():
            model = without(model, removed)
        train = read_labels(paths.labels / "train.txt")
        added = characters_to_add(paths.labels, model.dictionary, train)
        if added:
            model = grown(model, added, self.wanted.seed)
        if recipe.fresh:
            paddle.seed(self.wanted.seed)
            fresh = build_network(model.architecture, model.dictionary.classes)
            model = dataclasses.replace(model, network=fresh)
        return model, added

    def _removed(self) -> tuple[str, ...]:
        """Return the characters to remove that are still there: the option outlives the run."""
        known = self.champion.dictionary.characters
        return tuple(each for each in dict.fromkeys(self.wanted.remove_characters) if each in known)

    def _encode(
        self,
        part: TrainedPart,
        material: Material,
        recipe: Recipe,
        resolution: Resolution,
        pixels: ArrayStore,
    ) -> _Encoded:
        store = self.stack.enter_context(ArrayStore(part.stored_type))
        views = recipe.views or 1
        old = (*material.replay, *material.generic)
        total = len(material.new) * views + sum(
            len(lines) for lines in (material.practice, old, material.dev, material.guard)
        )
        encoder = Encoder(
            part, resolution, pixels, store, self.wanted.seed, _Progress(total, self.stop).add
        )
        started = time.monotonic()
        encoded = _Encoded(
            new=encoder.encode(material.new, views=views),
            practice=encoder.encode(material.practice),
            old=encoder.encode(old, old=True),
            dev=encoder.encode(material.dev),
            guard=encoder.encode(material.guard, old=True),
        )
        seconds = time.monotonic() - started
        announce(f"Encoded {len(store)} pictures in {seconds:.1f} seconds.")
        return encoded

    def _mixture(self, encoded: _Encoded, support: Support, recipe: Recipe) -> Mixture:
        shown, epochs = recipe.character_presentations, recipe.epochs or 1
        new, practice = (
            dataclasses.replace(
                lines, repeats=repeats_per_epoch(lines.samples, support, shown, epochs)
            )
            for lines in (encoded.new, encoded.practice)
        )
        return Mixture((new, practice, encoded.old), recipe.batch_size, self.wanted.seed)

    def _choose_outputs(
        self,
        part: TrainedPart,
        base: TrainableModel,
        encoded: _Encoded,
        added: Sequence[str],
        recipe: Recipe,
    ) -> None:
        """Train the outputs that the lines spell, those the champion reads, and their rivals."""
        everything = all_outputs(part.head)
        new = base.dictionary.encode("".join(added))
        if recipe.head_outputs == 0 or len(everything) <= _FEW_OUTPUTS:
            part.choose_outputs(everything, new, recipe.new_character_rate)
            return
        trained = (encoded.new, encoded.practice, encoded.old)
        used = {BLANK}
        for lines in trained:
            used.update(output for sample in lines.samples for output in sample.targets)
        for lines in (encoded.new, encoded.old):
            for path in best_paths(part, lines, self.device):
                used.update(int(output) for output in path)
        count = _RIVALS if recipe.head_outputs is None else recipe.head_outputs
        chosen = sorted(used | set(rivals(part.head, used, count)))
        part.choose_outputs(chosen, new, recipe.new_character_rate)
        announce(f"The head is trained on {len(chosen)} of its {len(everything)} outputs.")

    def _fingerprint(self, paths: JobPaths) -> str:
        """Name what decides the course of the training: a checkpoint of another is not used."""
        digest = hashlib.sha256(self.wanted.model_dump_json().encode())
        digest.update(file_sha256(paths.champion).encode())
        for labels in sorted(paths.labels.glob("*.txt")):
            digest.update(f"{labels.name} {file_sha256(labels)}".encode())
        return digest.hexdigest()


@dataclass
class _Progress:
    """Tells how far the encoding is, and ends it on SIGTERM: nothing is lost that early."""

    total: int
    stop: StopRequest
    done: int = 0
    told: float = dataclasses.field(default_factory=time.monotonic)

    def add(self, pictures: int) -> None:
        self.done += pictures
        if self.stop.terminated:
            raise TrainingInterruptedError
        if time.monotonic() - self.told >= 2.0:
            self.told = time.monotonic()
            announce(encoding_line(self.done, self.total))


def _resolution(model: TrainableModel) -> Resolution:
    """Ask the network how many time steps it makes of its own width."""
    shape = LineShape.of(model.image_shape)
    blank = np.zeros((1, 3, shape.height, shape.width), dtype=np.float32)
    model.network.eval()
    with paddle.no_grad():
        steps = model.network(paddle.to_tensor(blank)).shape[1]
    return Resolution(shape, steps / shape.width)


def _with_added_columns(origin: Weights, trained: Weights, part: TrainedPart) -> Weights:
    """Return the champion's weights with the added characters' columns as trained.

    The champion knows nothing of them: blending would only make them weaker.
    """
    added = part.outputs.added
    if not len(added):
        return origin
    replaced = {id(tensor) for tensor in part.outputs.replaced()}
    names = [name for name, tensor in _state(part.network).items() if id(tensor) in replaced]
    result = dict(origin)
    for name in names:
        columns = origin[name].copy()
        columns[..., added] = trained[name][..., added]
        result[name] = columns
    return result


def _state(network: Network) -> Mapping[str, Any]:
    state: Mapping[str, Any] = network.state_dict()
    return state


def _stock(model: TrainableModel, calibration: Tensor) -> Network:
    """Return the network in the form PaddleOCR's tools load."""
    network = model.network
    network.eval()
    if not any(layer.is_repped for layer in branched_layers(network).values()):
        return network
    stock = build_network(model.architecture, model.dictionary.classes)
    unfuse(network, stock, calibration)
    return stock


def _calibration_images(
    samples: tuple[Sample, ...], pixels: ArrayStore, shape: LineShape
) -> Tensor:
    lines = [pixels[sample.pixels][:, : shape.width] for sample in samples[:_CALIBRATION_LINES]]
    return to_tensor(lines, shape.width)


def _announce(choice: Choice, material: Material, set_aside: SetAside, device: Device) -> None:
    recipe = choice.recipe
    for sentence in set_aside.sentences():
        announce(sentence)
    announce(
        f"recipe={recipe.name} because {choice.why}; device={device.name} epochs={recipe.epochs} "
        f"views={recipe.views} learning_rate={recipe.learning_rate}"
    )
    announce(
        f"new_lines={len(material.new)} practice_lines={len(material.practice)} "
        f"replay_lines={len(material.replay)} generic_lines={len(material.generic)} "
        f"dev_lines={len(material.dev)} guard_lines={len(material.guard)}"
    )


def _announce_alphabet(support: Support, removed: Sequence[str]) -> None:
    if support.lines:
        character, lines = support.least
        announce(
            f"new_characters={len(support.lines)} {''.join(support.lines)} "
            f"least_lines={lines} least_character={character!r}"
        )
    if removed:
        announce(f"removed_characters={len(removed)} {''.join(removed)}")


def _metrics(
    recipe: Recipe,
    material: Material,
    set_aside: SetAside,
    support: Support,
    before: Score,
    blend: Blend,
) -> Metrics:
    return {
        "recipe": recipe.name,
        "learning_rate": recipe.learning_rate,
        "epochs": recipe.epochs,
        "views": recipe.views,
        "new_lines": len(material.new),
        "practice_lines": len(material.practice),
        "replay_lines": len(material.replay),
        "generic_lines": len(material.generic),
        "new_characters": len(support.lines),
        "new_character_least_lines": support.least[1],
        "dev_lines": len(material.dev),
        "dev_exact_match_before": round(before.dev, 4),
        "dev_exact_match": round(blend.score.dev, 4),
        "guard_lines": len(material.guard),
        "guard_exact_match_before": round(before.guard, 4),
        "guard_exact_match": round(blend.score.guard, 4),
        "blend": blend.share,
        "set_aside": set_aside.total,
        **{f"set_aside_{reason}": count for reason, count in set_aside.counts.items()},
    }

"""One training from start to finish: material, recipe, encoding, training, blending."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from finetuning.alphabet import Support, listed_characters, repeats_per_epoch
from finetuning.artefacts import TrainableModel
from finetuning.checkpoints import CheckpointDirectory
from finetuning.choice import choose_recipe, is_small
from finetuning.cluster import ProcessLostError
from finetuning.convolutions import quicken_convolutions
from finetuning.device import Device
from finetuning.encoding import EncodedMaterial, EncodingProgress, encode, pictures_of
from finetuning.examples import EncodedLines, Encoder, Mixture
from finetuning.hyperparameters import HyperparameterError, Hyperparameters
from finetuning.interpolation import ALL_OF_IT, SHARES, choose_blend
from finetuning.interruption import StopRequest
from finetuning.labels import read_labels
from finetuning.material import Gatherer, Material
from finetuning.outputs import all_outputs, rivals
from finetuning.parts import TrainedPart
from finetuning.paths import JobPaths
from finetuning.preparation import start_from, stock_network
from finetuning.progress import EpochRecord, announce
from finetuning.recipes import Recipe
from finetuning.samples import Resolution, Sample, SampleReader, SetAside
from finetuning.scoring import Judge, best_paths
from finetuning.settling import Settler
from finetuning.storage import ArrayStore
from finetuning.summary import Metrics, announce_alphabet, announce_material, metrics_of
from finetuning.team import Team
from finetuning.trainer import Trainer
from recognition.artefact import file_sha256
from recognition.dictionary import BLANK
from recognition.preprocessing import LineShape, Tensor, to_tensor

_CALIBRATION_LINES = 16
_RIVALS = 1024
_FEW_OUTPUTS = 2048


@dataclass(frozen=True)
class Trained:
    """A candidate, the recipe it was made with, and what its manifest tells of the training."""

    model: TrainableModel
    recipe: Recipe
    metrics: Metrics
    history: tuple[EpochRecord, ...]


@dataclass(frozen=True)
class TrainingSession:
    """What one job trains with. The stack closes the stores when the job ends."""

    wanted: Hyperparameters
    champion: TrainableModel
    device: Device
    stop: StopRequest
    stack: ExitStack
    team: Team

    def train(self, paths: JobPaths) -> Trained:
        """Return the candidate.

        Raises LabelError when there is nothing to train on, DictionaryError when a character
        cannot be removed, TrainingInterruptedError on SIGTERM.
        """
        set_aside = SetAside()
        pixels = self.stack.enter_context(ArrayStore("uint8"))
        labels = read_labels(paths.labels / "train.txt")
        champion, wanted = self.champion, self.wanted
        choice = choose_recipe(
            wanted, champion.family, champion.network, self.device, len(labels), self.team.size
        )
        _require_lines_for_all(choice.recipe, self.team)
        added = listed_characters(paths.labels, labels)
        start = start_from(champion, added, wanted.remove_characters, choice.recipe, wanted.seed)
        base, resolution = start.model, start.resolution
        if not self.device.is_gpu and not is_small(base.network):
            quicken_convolutions(base.network)
        gatherer = Gatherer(
            labels=paths.labels,
            train=labels,
            images=paths.images,
            reader=SampleReader(base.dictionary, resolution, pixels, set_aside),
            known=champion.dictionary,
            added=start.added,
            recipe=choice.recipe,
            seed=wanted.seed,
        )
        material = gatherer.gather()
        recipe = choice.recipe.completed(
            len(material.new), len(material.practice), len(start.added)
        )
        support = Support.of(start.added, (*material.new, *material.practice))
        announce_material(recipe, choice.why, material, set_aside, self.device, self.team.size)
        announce_alphabet(support, start.removed)
        _require_the_same_everywhere(recipe, material, base.dictionary.characters, self.team)
        calibration = _calibration_images(material.new, pixels, resolution.shape)
        part = TrainedPart(base.family, base.network, recipe.depth, resolution.shape, self.device)
        encoded = self._encode(part, material, recipe, resolution, pixels)
        mixture = self._mixture(encoded, support, recipe)
        self._choose_outputs(part, base, encoded, start.added, recipe)
        judge = Judge(part, base.dictionary, self.device, encoded.dev, encoded.guard, self.team)
        before = judge.score()
        # After a restart as well: distillation and blending start from the settled champion.
        settler = Settler(part, self.device, wanted.seed)
        settler.settle((encoded.new, encoded.practice, encoded.old))
        judge.announce((0, recipe.epochs or 1), before)
        _agree_on_weights(part, self.team)
        origin = part.weights()
        trainer = Trainer(
            part=part,
            mixture=mixture,
            recipe=recipe,
            seed=wanted.seed,
            judge=judge,
            device=self.device,
            checkpoints=CheckpointDirectory(paths.checkpoints, self._fingerprint(paths)),
            stop=self.stop,
            team=self.team,
        )
        # Without time for a single epoch nothing was learnt: the start is the best there is.
        best = trainer.run(before) or origin
        shares = SHARES if recipe.blend else ALL_OF_IT
        # The champion knows nothing of added characters: blending would only weaken them.
        origin = part.with_added_columns(origin, best)
        blend = choose_blend(origin, best, judge, before, shares)
        announce(f"blend={blend.share} dev={blend.score.dev:.4f} guard={blend.score.guard:.4f}")
        candidate = dataclasses.replace(base, network=stock_network(base, calibration))
        metrics = metrics_of(recipe, material, set_aside, support, before, blend, start.removed)
        return Trained(candidate, recipe, metrics, tuple(trainer.history))

    def _encode(
        self,
        part: TrainedPart,
        material: Material,
        recipe: Recipe,
        resolution: Resolution,
        pixels: ArrayStore,
    ) -> EncodedMaterial:
        store = self.stack.enter_context(ArrayStore(part.stored_type))
        views = recipe.views or 1
        progress = EncodingProgress(pictures_of(material, views), self.stop, self.team)
        self.team.meet()
        encoder = Encoder(
            part, resolution, pixels, store, self.wanted.seed, progress.add, self.team
        )
        return encode(material, encoder, views)

    def _mixture(self, encoded: EncodedMaterial, support: Support, recipe: Recipe) -> Mixture:
        shown, epochs = recipe.character_presentations, recipe.epochs or 1
        new, practice = (
            dataclasses.replace(
                lines, repeats=repeats_per_epoch(lines.samples, support, shown, epochs)
            )
            for lines in (encoded.new, encoded.practice)
        )
        lines = (new, practice, encoded.old)
        return Mixture(lines, recipe.batch_size, self.wanted.seed, self.team)

    def _choose_outputs(
        self,
        part: TrainedPart,
        base: TrainableModel,
        encoded: EncodedMaterial,
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
        used.update(self._read(part, (encoded.new, encoded.old)))
        count = _RIVALS if recipe.head_outputs is None else recipe.head_outputs
        chosen = sorted(used | set(rivals(part.head, used, count)))
        part.choose_outputs(chosen, new, recipe.new_character_rate)
        announce(f"The head is trained on {len(chosen)} of its {len(everything)} outputs.")

    def _read(self, part: TrainedPart, sets: Sequence[EncodedLines]) -> set[int]:
        """Return the outputs that the champion reads in the lines, each process a share of them."""
        own = {
            int(output)
            for lines in sets
            for path in best_paths(part, lines.share(self.team), self.device)
            for output in path
        }
        self.team.meet()
        everybodys = self.team.gather([np.array(sorted(own), dtype=np.int64)])
        return {int(output) for (found,) in everybodys for output in found}

    def _fingerprint(self, paths: JobPaths) -> str:
        """Name what decides the course of the training: a checkpoint of another is not used.

        How many processes share the work is none of that.
        """
        course = self.wanted.model_dump_json(exclude={"processes_per_host"})
        digest = hashlib.sha256(course.encode())
        digest.update(file_sha256(paths.champion).encode())
        for labels in sorted(paths.labels.glob("*.txt")):
            digest.update(f"{labels.name} {file_sha256(labels)}".encode())
        return digest.hexdigest()


def _require_lines_for_all(recipe: Recipe, team: Team) -> None:
    if recipe.batch_size < team.size:
        raise HyperparameterError(
            f"The job has {team.size} processes for batches of {recipe.batch_size} lines; set "
            f"batch_size to {team.size} at least, or use fewer instances."
        )


def _require_the_same_everywhere(
    recipe: Recipe, material: Material, characters: Sequence[str], team: Team
) -> None:
    """Raise ProcessLostError when processes have read different lines: one disk may have failed."""
    if team.size == 1:
        return
    digest = hashlib.sha256(repr((recipe, characters)).encode())
    for lines in dataclasses.astuple(material):
        digest.update(repr([text for text, *_ in lines]).encode())
    # Reading takes as long as it takes, and one process may be slower by far.
    team.meet()
    own, *others = [
        bytes(array) for (array,) in team.gather([np.frombuffer(digest.digest(), np.uint8)])
    ]
    if any(other != own for other in others):
        raise ProcessLostError(
            "The processes of the job have read different lines; an image could not be read on "
            "one of the hosts. Start the job again.",
            told=True,
        )


def _agree_on_weights(part: TrainedPart, team: Team) -> None:
    """Give every process the first one's weights: processors may round differently."""
    if team.size > 1:
        own = part.weights()
        part.set_weights(dict(zip(own, team.share(list(own.values())), strict=True)))


def _calibration_images(
    samples: tuple[Sample, ...], pixels: ArrayStore, shape: LineShape
) -> Tensor:
    lines = [pixels[sample.pixels][:, : shape.width] for sample in samples[:_CALIBRATION_LINES]]
    return to_tensor(lines, shape.width)

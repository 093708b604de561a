"""One training from start to finish: material, recipe, encoding, training, blending."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import paddle

from finetuning.artefacts import TrainableModel
from finetuning.checkpoints import CheckpointDirectory
from finetuning.device import Device
from finetuning.examples import Encoder, Mixture
from finetuning.hyperparameters import Hyperparameters
from finetuning.interpolation import Blend, choose_blend
from finetuning.interruption import StopRequest
from finetuning.material import Material, gather
from finetuning.networks import Network, build_network
from finetuning.parts import HeadPart, TrainedPart, WholePart
from finetuning.paths import JobPaths
from finetuning.progress import announce
from finetuning.recipes import Recipe, choose_recipe
from finetuning.reparameterization import branched_layers, unfuse
from finetuning.samples import Resolution, Sample, SampleReader, SetAside
from finetuning.scoring import Judge, Score
from finetuning.storage import ArrayStore
from finetuning.trainer import Plan, Trainer, TrainingInterruptedError, trained_weights
from recognition.artefact import file_sha256
from recognition.preprocessing import LineShape, Tensor, to_tensor

Metrics = dict[str, float | int | str | None]

_CALIBRATION_LINES = 16


@dataclass(frozen=True)
class TrainingSession:
    """What one job trains with. The stack closes the stores when the job ends."""

    wanted: Hyperparameters
    champion: TrainableModel
    device: Device
    stop: StopRequest
    stack: ExitStack

    def train(self, paths: JobPaths) -> tuple[TrainableModel, Metrics]:
        """Return the candidate and what its manifest tells of the training.

        Raises LabelError when there is nothing to train on, TrainingInterruptedError on SIGTERM.
        """
        pixels = self.stack.enter_context(ArrayStore("uint8"))
        set_aside = SetAside()
        resolution = self._resolution()
        reader = SampleReader(self.champion.dictionary, resolution, pixels, set_aside)
        material = gather(paths.labels, paths.images, reader, self.wanted)
        network = self.champion.network
        recipe = choose_recipe(self.wanted, network, self.device, len(material.new))
        _announce(recipe, material, set_aside, self.device)
        calibration = _calibration_images(material.new, pixels, resolution.shape)
        part = self._part(recipe, resolution.shape)
        mixture, judge = self._encode(part, material, recipe, resolution, pixels)
        before = judge.score()
        judge.announce((0, recipe.epochs), before)
        start = trained_weights(part, network)
        trainer = Trainer(
            part=part,
            network=network,
            mixture=mixture,
            plan=Plan(recipe.epochs, recipe.learning_rate, self.wanted.seed),
            judge=judge,
            device=self.device,
            checkpoints=CheckpointDirectory(paths.checkpoints, self._fingerprint(paths)),
            stop=self.stop,
        )
        blend = choose_blend(start, trainer.run(before), judge, before)
        announce(f"blend={blend.share} dev={blend.score.dev:.4f} guard={blend.score.guard:.4f}")
        candidate = dataclasses.replace(self.champion, network=self._stock(calibration))
        return candidate, _metrics(recipe, material, set_aside, before, blend)

    def _resolution(self) -> Resolution:
        """Ask the network how many time steps it makes of its own width."""
        shape = LineShape.of(self.champion.image_shape)
        blank = np.zeros((1, 3, shape.height, shape.width), dtype=np.float32)
        with paddle.no_grad():
            steps = self.champion.network(paddle.to_tensor(blank)).shape[1]
        return Resolution(shape, steps / shape.width)

    def _part(self, recipe: Recipe, shape: LineShape) -> TrainedPart:
        if recipe.name == "head":
            return HeadPart(self.champion.network, shape, self.device)
        return WholePart(self.champion.network, shape)

    def _encode(
        self,
        part: TrainedPart,
        material: Material,
        recipe: Recipe,
        resolution: Resolution,
        pixels: ArrayStore,
    ) -> tuple[Mixture, Judge]:
        store = self.stack.enter_context(ArrayStore(part.stored_type))
        encoder = Encoder(part, resolution, pixels, store, self.wanted.seed, self._check_stop)
        started = time.monotonic()
        new = encoder.encode(material.new, recipe.views)
        old = encoder.encode((*material.replay, *material.generic))
        dev, guard = encoder.encode(material.dev), encoder.encode(material.guard)
        seconds = time.monotonic() - started
        announce(f"Encoded {len(store)} pictures in {seconds:.1f} seconds.")
        mixture = Mixture((new, old), self.wanted.batch_size, self.wanted.seed)
        dictionary, network = self.champion.dictionary, self.champion.network
        return mixture, Judge(part, network, dictionary, self.device, dev, guard)

    def _check_stop(self) -> None:
        if self.stop.terminated:
            raise TrainingInterruptedError

    def _fingerprint(self, paths: JobPaths) -> str:
        """Name what decides the course of the training: a checkpoint of another is not used."""
        digest = hashlib.sha256(self.wanted.model_dump_json().encode())
        digest.update(file_sha256(paths.champion).encode())
        for labels in sorted(paths.labels.glob("*.txt")):
            digest.update(f"{labels.name} {file_sha256(labels)}".encode())
        return digest.hexdigest()

    def _stock(self, calibration: Tensor) -> Network:
        """Return the network in the form PaddleOCR's tools load."""
        network = self.champion.network
        network.eval()
        if not any(layer.is_repped for layer in branched_layers(network).values()):
            return network
        stock = build_network(self.champion.architecture, self.champion.dictionary.classes)
        unfuse(network, stock, calibration)
        return stock


def _calibration_images(
    samples: tuple[Sample, ...], pixels: ArrayStore, shape: LineShape
) -> Tensor:
    lines = [pixels[sample.pixels][:, : shape.width] for sample in samples[:_CALIBRATION_LINES]]
    return to_tensor(lines, shape.width)


def _announce(recipe: Recipe, material: Material, set_aside: SetAside, device: Device) -> None:
    for sentence in set_aside.sentences():
        announce(sentence)
    announce(
        f"recipe={recipe.name} because {recipe.why}; device={device.name} epochs={recipe.epochs} "
        f"views={recipe.views} learning_rate={recipe.learning_rate}"
    )
    announce(
        f"new_lines={len(material.new)} replay_lines={len(material.replay)} "
        f"generic_lines={len(material.generic)} dev_lines={len(material.dev)} "
        f"guard_lines={len(material.guard)}"
    )


def _metrics(
    recipe: Recipe, material: Material, set_aside: SetAside, before: Score, blend: Blend
) -> Metrics:
    return {
        "recipe": recipe.name,
        "learning_rate": recipe.learning_rate,
        "epochs": recipe.epochs,
        "views": recipe.views,
        "new_lines": len(material.new),
        "replay_lines": len(material.replay),
        "generic_lines": len(material.generic),
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

"""What training starts from: the champion with its dictionary changed, and back again."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import paddle

from finetuning.artefacts import TrainableModel
from finetuning.families.family import Depth
from finetuning.growth import grown, without
from finetuning.networks import Network, build_network
from finetuning.recipes import Recipe
from finetuning.reparameterization import branched_layers, fuse, unfuse
from finetuning.samples import Resolution
from recognition.preprocessing import LineShape, Tensor


@dataclass(frozen=True)
class Start:
    """A model to train, and how its dictionary differs from the champion's."""

    model: TrainableModel
    added: tuple[str, ...]
    removed: tuple[str, ...]

    @property
    def resolution(self) -> Resolution:
        """How many time steps the network makes of its own width: the network is asked."""
        shape = LineShape.of(self.model.image_shape)
        blank = np.zeros((1, 3, shape.height, shape.width), dtype=np.float32)
        self.model.network.eval()
        with paddle.no_grad():
            steps = self.model.network(paddle.to_tensor(blank)).shape[1]
        return Resolution(shape, steps / shape.width)


def start_from(
    champion: TrainableModel,
    listed: Sequence[str],
    unwanted: Sequence[str],
    recipe: Recipe,
    seed: int,
) -> Start:
    """Take characters out of the champion's dictionary, add those listed that it lacks.

    Characters to remove that are gone already are passed over: the option outlives the run.
    Raises DictionaryError when no character would be left.
    """
    known = champion.dictionary.characters
    removed = tuple(each for each in dict.fromkeys(unwanted) if each in known)
    model = without(champion, removed) if removed else champion
    added = tuple(each for each in listed if model.dictionary.unknown(each))
    if added:
        model = grown(model, added, seed)
    if recipe.fresh:
        paddle.seed(seed)
        fresh = build_network(model.architecture, model.dictionary.classes)
        model = dataclasses.replace(model, network=fresh)
    elif recipe.depth != Depth.HEAD:
        # The same function at a fraction of the cost; a frozen backbone is exported fused anyway.
        fuse(model.network)
    return Start(model, added, removed)


def stock_network(model: TrainableModel, calibration: Tensor) -> Network:
    """Return the network in the form PaddleOCR's tools load.

    Fused convolutions get their branches back, with statistics of the calibration images
    [lines, 3, height, width].
    """
    network = model.network
    network.eval()
    if not any(layer.is_repped for layer in branched_layers(network).values()):
        return network
    stock = build_network(model.architecture, model.dictionary.classes)
    unfuse(network, stock, calibration)
    return stock

"""What training knows about a kind of network: where it may be cut, and how it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from finetuning.device import Device
from finetuning.networks import Network
from recognition.preprocessing import LineShape, Tensor

if TYPE_CHECKING:
    from finetuning.artefacts import TrainableModel

Front = Callable[[Tensor], Tensor]
"""Images [lines, 3, height, width] to features [lines, channels, height', width'], all float32."""


class Depth(StrEnum):
    """How much of a network is trained."""

    HEAD = "head"
    """The neck and the CTC head."""
    PARTIAL = "partial"
    """The last stage of the backbone as well."""
    FULL = "full"
    """Everything."""


class Family(Protocol):
    """A kind of network. A network has `backbone`, `neck` and `head`, a CTC head with `fc`.

    In evaluation a network turns images [lines, 3, height, width] into probabilities
    [lines, steps, classes], in training into logits of that shape.
    """

    @property
    def name(self) -> str:
        """What manifests and the configuration call it."""
        ...

    @property
    def model_name(self) -> str:
        """What PaddleOCR 3 calls it in inference.yml."""
        ...

    @property
    def backbone(self) -> str:
        """What config.yml calls its backbone."""
        ...

    @property
    def depths(self) -> frozenset[Depth]:
        """What of it can be trained."""
        ...

    @property
    def files(self) -> tuple[str, ...]:
        """The files of an artefact that training needs, beside the manifest."""
        ...

    def build(self, architecture: Mapping[str, Any], classes: int, model_dir: Path) -> Network:
        """Build the network of the artefact in that directory, its weights not yet loaded.

        Raises ConfigError or WeightsError when it cannot be built.
        """
        ...

    def front(
        self, network: Network, depth: Depth, shape: LineShape, device: Device
    ) -> Front | None:
        """Return what computes the layers that are not trained; None when all are.

        The front keeps the weights of the moment in which it is made.
        """
        ...

    def end(self, network: Network, depth: Depth) -> list[Network]:
        """Return the trained layers in the order of execution; the last one is the head.

        In evaluation, front and end together compute what the network does. In training they pool
        as in evaluation, which PaddleOCR's own networks do not.
        """
        ...

    def export(self, model: TrainableModel, model_dir: Path) -> None:
        """Write inference/*, model.onnx among it. Raises ExportError when that fails."""
        ...

"""The domains that a model is fine-tuned for, and the general text it must not forget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.domains import (
    cyrillic,
    dot_matrix,
    general,
    handwriting,
    lettering,
    seven_segment,
)
from benchmarks.domains.line import Line, LineMaker


@dataclass(frozen=True)
class Domain:
    """A kind of lines; where `train` and `test` are alike, they differ in the draw alone."""

    name: str
    train: LineMaker
    test: LineMaker


_SINGLE = (
    Domain("seven-segment", seven_segment.make_line, seven_segment.make_line),
    Domain("dot-matrix", dot_matrix.make_line, dot_matrix.make_line),
    Domain("handwriting", handwriting.make_train_line, handwriting.make_test_line),
    Domain("cyrillic", cyrillic.make_train_line, cyrillic.make_test_line),
)


def _mixed_train(rng: np.random.Generator) -> Line:
    return _SINGLE[int(rng.integers(len(_SINGLE)))].train(rng)


def _mixed_test(rng: np.random.Generator) -> Line:
    return _SINGLE[int(rng.integers(len(_SINGLE)))].test(rng)


_ALL = (
    *_SINGLE,
    Domain("mixed", _mixed_train, _mixed_test),
    Domain("lettering", lettering.make_line, lettering.make_line),
)

DOMAINS: Mapping[str, Domain] = {domain.name: domain for domain in _ALL}
COMPARED = ("seven-segment", "dot-matrix", "handwriting", "cyrillic", "mixed")

# What must not be forgotten: sets of lines that nobody trains on.
KEPT: Mapping[str, LineMaker] = {
    "general": general.make_line,
    "chinese": general.make_chinese_line,
}

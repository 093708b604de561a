"""Gives a checkpoint's CTC head the names that PaddleOCR's MultiHead has; runs with PaddleOCR.

multihead_weights.py CHECKPOINT.pdparams RENAMED.pdparams
"""

from __future__ import annotations

import sys

import paddle

_NAMES = {"neck.": "head.ctc_encoder.", "head.": "head.ctc_head."}


def main(source: str, target: str) -> None:
    """Rename."""
    paddle.save({_renamed(name): array for name, array in paddle.load(source).items()}, target)


def _renamed(name: str) -> str:
    for old, new in _NAMES.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name


if __name__ == "__main__":
    main(*sys.argv[1:])

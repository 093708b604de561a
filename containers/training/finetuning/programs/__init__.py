"""Inference models read as data, whatever file format they are in."""

from __future__ import annotations

from pathlib import Path

from finetuning.programs.onnx_files import onnx_program, read_onnx
from finetuning.programs.paddle_files import read_paddle_program
from finetuning.programs.program import Program, Use

__all__ = ["Program", "Use", "read_program"]


def read_program(model: Path) -> Program:
    """Read inference.json, inference.pdmodel or an ONNX file.

    Nothing of it is executed. Raises WeightsError when it cannot be read.
    """
    if model.suffix == ".onnx":
        return onnx_program(read_onnx(model))
    return read_paddle_program(model)

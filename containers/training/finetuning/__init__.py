"""Incremental fine-tuning, evaluation and packaging of PaddleOCR text recognizers.

Importing the package sets up the numeric runtimes, which read their settings when they are loaded.
"""

from finetuning.runtime import prepare

prepare()

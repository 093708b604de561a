"""Reads lines with PaddleOCR 3's own class; runs in PaddleOCR's environment.

read_with_paddleocr3.py MODEL_NAME INFERENCE_DIRECTORY READINGS.json IMAGE...
"""

import json
import sys
from pathlib import Path

from paddleocr import TextRecognition


def main(name: str, directory: str, readings: str, *images: str) -> None:
    model = TextRecognition(model_name=name, model_dir=directory, device="cpu")
    texts = [result["rec_text"] for result in model.predict(list(images), batch_size=1)]
    Path(readings).write_text(json.dumps(texts, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])

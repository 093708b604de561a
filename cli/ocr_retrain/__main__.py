"""``python -m ocr_retrain`` is ``ocr-retrain``."""

from ocr_retrain.main import run

if __name__ == "__main__":
    run()

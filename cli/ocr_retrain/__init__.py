"""The ``ocr-retrain`` command: drop labelled data, watch the retraining, use the better model."""

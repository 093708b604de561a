"""PaddleOCR's own training, unmodified: its settings, and running it for a given time."""

"""Our training against PaddleOCR's own: same machine, data and start, ten times our time."""

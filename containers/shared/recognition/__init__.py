"""Reading one line of text: what training, evaluation and serving share, so that they agree."""

import os

# ONNX Runtime reports its use over the network unless it is told not to before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

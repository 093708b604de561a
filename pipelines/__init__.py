"""The same retraining as a SageMaker pipeline, for teams that work in Studio: docs/pipelines.md."""

import sys
from pathlib import Path

# The rules are those of the functions, which the SDK's environment does not hold as a package.
_FUNCTIONS = str(Path(__file__).resolve().parent.parent / "functions")
if _FUNCTIONS not in sys.path:
    sys.path.append(_FUNCTIONS)

"""Looks whether the artefact of a model package is still there."""

from retraining.registry import Package
from retraining.storage import Bucket

# Where the functions that ask may look.
_MODELS = "models/"


def has_artefact(package: Package, bucket: Bucket) -> bool:
    """Tell whether a package's model.tar.gz is in S3; True where nobody here may look."""
    try:
        key = bucket.key(package.model_data)
    except ValueError:
        # In another bucket; SageMaker will tell.
        return True
    return not key.startswith(_MODELS) or bucket.head(key) is not None

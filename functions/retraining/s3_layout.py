"""Where everything lies in the bucket. Pure functions from names to keys."""

import re
from dataclasses import dataclass

INCOMING = "incoming/"
GOLDEN = "golden/"

_UNUSABLE_NAME = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST_DATASET_NAME = 100


@dataclass(frozen=True)
class LabelUpload:
    """A label file of a drop: ``relative`` is its key below ``incoming/<dataset>/``."""

    dataset: str
    relative: str


def label_upload(key: str) -> LabelUpload | None:
    """Tell which dataset a key announces, or None when it is no label file of a drop."""
    if not key.startswith(INCOMING) or not key.lower().endswith(".txt"):
        return None
    dataset, slash, relative = key.removeprefix(INCOMING).partition("/")
    if not slash or not relative or dataset in {"", ".", ".."}:
        return None
    if len(dataset) > _LONGEST_DATASET_NAME or _UNUSABLE_NAME.search(key):
        return None
    return LabelUpload(dataset, relative)


def dataset_prefix(dataset: str) -> str:
    """Everything that was dropped for a dataset."""
    return f"{INCOMING}{dataset}/"


def train_lines(run_id: str, dataset: str) -> str:
    """Usable lines of a dataset that training may see."""
    return f"runs/{run_id}/datasets/{dataset}/train.txt"


def holdout_lines(run_id: str, dataset: str) -> str:
    """Usable lines of a dataset that no training ever sees."""
    return f"runs/{run_id}/datasets/{dataset}/holdout.txt"


def validation_report(run_id: str) -> str:
    """What was found in the drops of a run."""
    return f"runs/{run_id}/validation.json"


def new_characters(run_id: str) -> str:
    """Characters that the champion cannot write and the candidate is to learn, one per line."""
    return f"runs/{run_id}/new_characters.txt"


def plan(run_id: str) -> str:
    """What a run trains and evaluates on."""
    return f"runs/{run_id}/plan.json"


def labels_prefix(run_id: str) -> str:
    """The label files the training job reads."""
    return f"runs/{run_id}/labels/"


def characters_to_add(run_id: str) -> str:
    """What the training job reads of them; there is none when there is nothing to add."""
    return f"{labels_prefix(run_id)}new_characters.txt"


def training_manifest(run_id: str) -> str:
    """The images the training job reads."""
    return f"runs/{run_id}/training.manifest"


def slices_prefix(run_id: str) -> str:
    """The evaluation sets of a run."""
    return f"runs/{run_id}/slices/"


def evaluation_manifest(run_id: str) -> str:
    """The images the evaluation reads."""
    return f"runs/{run_id}/evaluation.manifest"


def evaluation_output(run_id: str) -> str:
    """Where the evaluation writes; without a slash at the end, as job outputs are given."""
    return f"runs/{run_id}/evaluation"


def evaluation(run_id: str) -> str:
    """Measured accuracy of champion and candidate."""
    return f"{evaluation_output(run_id)}/evaluation.json"


def candidate_dictionary(run_id: str) -> str:
    """Characters the candidate can write, one per line."""
    return f"{evaluation_output(run_id)}/dict.txt"


def verdict(run_id: str) -> str:
    """Why the candidate was promoted or not."""
    return f"runs/{run_id}/verdict.json"


def checkpoints(run_id: str) -> str:
    """Where a training job keeps what it needs to resume."""
    return f"runs/{run_id}/checkpoints"

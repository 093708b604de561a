"""Where everything lies in the bucket. Pure functions from names to keys."""

import hashlib
import re
from dataclasses import dataclass

INCOMING = "incoming/"
EXTRACTED = "extracted/"
GOLDEN = "golden/"
IMAGES = "images/"
# Requests to an asynchronous endpoint, its answers, and why there is none; no slash at the end.
ASYNC_INPUT, ASYNC_OUTPUT, ASYNC_FAILURE = "async/input", "async/output", "async/failure"
# What transform jobs may read of the bucket.
TRANSCRIBABLE = (IMAGES, INCOMING, EXTRACTED, GOLDEN)
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")

_UNUSABLE_NAME = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST_NAME = 100
# Names become part of the names of files, such as ``golden--<name>.txt``.
_LONGEST_NAME_BYTES = 240


@dataclass(frozen=True)
class Root:
    """A folder of the bucket that holds labelled data: a dataset or a golden set.

    ``archives`` begins the names of its archives, so that a dataset and a golden set that are
    called alike unpack theirs apart.
    """

    name: str
    prefix: str
    archives: str = ""

    def archive_index(self, relative: str, etag: str) -> str:
        """Where is told what was found in one version of an archive below it."""
        return archive_index(self.name, self.archives + archive_id(relative, etag))

    def archive_members(self, relative: str, etag: str) -> str:
        """Where that version of an archive is unpacked."""
        return archive_members(self.name, self.archives + archive_id(relative, etag))


def drop_root(dataset: str) -> Root:
    """Tell where a dataset is dropped."""
    return Root(dataset, dataset_prefix(dataset))


def golden_root(name: str) -> Root:
    """Tell where a golden set lies."""
    return Root(name, golden_prefix(name), "golden-")


@dataclass(frozen=True)
class LabelUpload:
    """A label file or archive of a drop; ``relative`` is its key below ``incoming/<dataset>/``."""

    dataset: str
    relative: str


def label_upload(key: str) -> LabelUpload | None:
    """Tell which dataset a key announces, or None when it is no label file or archive of a drop."""
    if not key.startswith(INCOMING) or not key.lower().endswith((".txt", *ARCHIVE_SUFFIXES)):
        return None
    dataset, _, relative = key.removeprefix(INCOMING).partition("/")
    if not is_usable_name(dataset) or not is_usable_path(relative):
        return None
    return LabelUpload(dataset, relative)


def is_usable_name(name: str) -> bool:
    """Tell whether a dataset or golden set can be called so."""
    fits = len(name) <= _LONGEST_NAME and len(name.encode()) <= _LONGEST_NAME_BYTES
    return fits and name not in {"", ".", ".."} and not _UNUSABLE_NAME.search(name)


def is_usable_path(relative: str) -> bool:
    """Tell whether a path below a dataset stays there when it is downloaded; S3 takes any."""
    safe = {".", ".."}.isdisjoint(relative.split("/"))
    return bool(relative) and safe and not _UNUSABLE_NAME.search(relative)


def dataset_prefix(dataset: str) -> str:
    """Everything that was dropped for a dataset."""
    return f"{INCOMING}{dataset}/"


def extracted_prefix(dataset: str) -> str:
    """Everything that was unpacked for a dataset, and for a golden set of that name."""
    return f"{EXTRACTED}{dataset}/"


def is_archive(relative: str) -> bool:
    """Tell whether an upload is to be unpacked; what it really is, its content tells."""
    return relative.lower().endswith(ARCHIVE_SUFFIXES)


def archive_id(relative: str, etag: str) -> str:
    """Name one version of an archive; ``relative`` is its key below ``incoming/<dataset>/``."""
    return hashlib.sha256(f"{relative}\n{etag}".encode()).hexdigest()[:16]


def archive_members(dataset: str, identifier: str) -> str:
    """What was unpacked from an archive."""
    return f"{EXTRACTED}{dataset}/{identifier}/"


def archive_index(dataset: str, identifier: str) -> str:
    """What is known of an archive; written last, so it tells that the archive is unpacked."""
    return f"{EXTRACTED}{dataset}/{identifier}.json"


def train_lines(run_id: str, dataset: str) -> str:
    """Usable lines of a dataset that training may see."""
    return f"runs/{run_id}/datasets/{dataset}/train.txt"


def holdout_lines(run_id: str, dataset: str) -> str:
    """Usable lines of a dataset that no training ever sees."""
    return f"runs/{run_id}/datasets/{dataset}/holdout.txt"


def contents(run_id: str, dataset: str) -> str:
    """Sides of all images that a dataset ever used, by their content."""
    return f"runs/{run_id}/datasets/{dataset}/contents.tsv"


def image_contents(run_id: str, dataset: str) -> str:
    """Contents of the images that the usable lines of a dataset name."""
    return f"runs/{run_id}/datasets/{dataset}/images.tsv"


def images_beside(train_lines_key: str) -> str:
    """The same file, for train lines that are known by their key."""
    return f"{train_lines_key.rpartition('/')[0]}/images.tsv"


def validation_report(run_id: str) -> str:
    """What was found in the drops of a run."""
    return f"runs/{run_id}/validation.json"


def missing_images(run_id: str) -> str:
    """Every image that the labels name and that is not there, one JSON object per line."""
    return f"runs/{run_id}/missing.jsonl"


def problems(run_id: str) -> str:
    """Every problem of the drops of a run, one JSON object per line."""
    return f"runs/{run_id}/problems.jsonl"


def workspace(run_id: str) -> str:
    """What a validation knows before its images are checked by other functions."""
    return f"runs/{run_id}/validation.sqlite"


def image_shards(run_id: str) -> str:
    """The names of the shards of images, as the state machine reads them."""
    return f"runs/{run_id}/images/shards.json"


def images_to_check(run_id: str, shard: str) -> str:
    """The images of one shard."""
    return f"runs/{run_id}/images/{shard}.jsonl"


def checked_images(run_id: str, shard: str) -> str:
    """What was found in the images of one shard."""
    return f"runs/{run_id}/images/{shard}.checked.jsonl"


def golden_prefix(name: str) -> str:
    """Everything that was uploaded for a golden set."""
    return f"{GOLDEN}{name}/"


def golden_report(name: str) -> str:
    """What was found in a golden set."""
    return f"golden-reports/{name}/report.json"


def golden_lines(name: str, fingerprint: str) -> str:
    """Usable lines of one version of a golden set."""
    return f"golden-reports/{name}/{fingerprint}/lines.txt"


def golden_contents(name: str, fingerprint: str) -> str:
    """Contents of the images of one version of a golden set."""
    return f"golden-reports/{name}/{fingerprint}/contents.tsv"


def golden_problems(name: str) -> str:
    """Every problem of a golden set, one JSON object per line."""
    return f"golden-reports/{name}/problems.jsonl"


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


def candidate_manifest(run_id: str) -> str:
    """How the candidate was trained, as its artefact tells it."""
    return f"{evaluation_output(run_id)}/training.json"


def verdict(run_id: str) -> str:
    """Why the candidate was promoted or not."""
    return f"runs/{run_id}/verdict.json"


def report(run_id: str) -> str:
    """All that came of a run, for people."""
    return f"runs/{run_id}/report.html"


def checkpoints(run_id: str) -> str:
    """Where a training job keeps what it needs to resume."""
    return f"runs/{run_id}/checkpoints"


def images_prefix(name: str) -> str:
    """Images without labels that are to be read, by the name of their folder."""
    return f"{IMAGES}{name}/"


def transcription(identifier: str) -> str:
    """What a transcription is to read; it goes, with all below, some weeks after its end."""
    return f"{_transcription_job(identifier)}/transcription.json"


def transcription_manifest(identifier: str, shard: int) -> str:
    """The images of one of its transform jobs."""
    return f"{_transcription_job(identifier)}/{shard}.manifest"


def transcription_answers(identifier: str, shard: int) -> str:
    """Where one of its transform jobs writes an object per image; without a slash at the end."""
    return f"{_transcription_job(identifier)}/answers/{shard}"


def transcribed(identifier: str) -> str:
    """Images and answers of a transcription, one JSON object per line."""
    return f"transcriptions/{identifier}.jsonl"


def _transcription_job(identifier: str) -> str:
    return f"transcriptions/jobs/{identifier}"

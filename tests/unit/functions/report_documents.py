"""The files of a realistic run, in exactly the shapes that the jobs and functions write."""

from __future__ import annotations

import base64
import io
import random
from datetime import UTC, datetime
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from retraining.report.code_version import fingerprint
from retraining.report.costs import price_table
from retraining.report.inputs import (
    Evaluation,
    Job,
    LabelFile,
    Plan,
    Training,
    Validation,
    Verdict,
    parse,
)
from retraining.report.material import Material
from retraining.storage import Bucket

RUN = "20261122-101545-3fa9c1"
ACCOUNT = "123456789012"
IMAGE = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/ocr-retrain/training:7"
DIGEST = "sha256:" + "4f" * 32
NOW = datetime(2026, 11, 22, 11, 2, 10, tzinfo=UTC)
STARTED = datetime(2026, 11, 22, 10, 15, 45, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{7*7}}"

# What is written, what the champion read, what the candidate reads.
LINES = [
    ("Invoice no. 2026-0417", "Invo1ce no. 2O26-0417", "Invoice no. 2026-0417"),
    ("Total due: 1 284,50 EUR", "Total due: 1284,5O EUR", "Total due: 1 284,50 EUR"),
    ("Grüße aus Göteborg", "GruBe aus Goteborg", "Grüße aus Göteborg"),
    ("合計金額 ¥12,800", "合計金 Y12,800", "合計金額 ¥12,800"),
    ("فاتورة رقم ٢٠٢٦", "فاتوره رقم ٢٠٢", "فاتورة رقم ٢٠٢٦"),
    ("קבלה מספר 8841", "קכלה מספר 884", "קבלה מספר 8841"),
    ("Quantity  Unit price", "Quantity Unit price", "Quantity Unit price"),
    ("ul. Świętokrzyska 14/8", "ul. Swietokrzyska 14/8", "ul. Świętokrzyska 14/B"),
    ("Zażółć gęślą jaźń", "Zazolc gesla jazn", "Zażółć gęślą jażń"),
    ("8B0O-Il1|-5S2Z", "880O-II11-5S2Z", "8BOO-Il1l-552Z"),
    ("नमस्ते दुनिया", "नमसत दनय", "नमस्ते दुनीया"),
    (HOSTILE, "<scrip>a1ert(1)</script>", "<script>alert(l)</script>"),
]


def metrics(exact: float, error: float, speed: float) -> dict[str, float]:
    return {
        "exact_match": exact,
        "character_error_rate": error,
        "normalized_edit_distance": 1 - error,
        "mean_confidence": 0.93,
        "expected_calibration_error": 0.041,
        "milliseconds_per_line": speed,
    }


def example(number: int, truth: str, champion: str | None, candidate: str) -> dict[str, Any]:
    return {
        "image": f"incoming/invoices/images/{number:04}.png",
        "box": None,
        "truth": truth,
        "champion": champion,
        "candidate": candidate,
        "candidate_confidence": 0.87,
        "picture": f"examples/{number:04}.jpg",
    }


def evaluation() -> dict[str, Any]:
    improved = [example(i, *line) for i, line in enumerate(LINES) if line[2] != line[1]]
    worst = [example(i, *line) for i, line in enumerate(LINES) if line[2] != line[0]]
    return {
        "run_id": RUN,
        "champion": {"package_arn": "arn:p/3", "sha256": "ab" * 32, "dictionary_size": 6625},
        "candidate": {"sha256": "cd" * 32, "dictionary_size": 6629},
        "slices": [
            part("invoices", "new", 250, metrics(0.832, 0.061, 7.4), metrics(0.952, 0.012, 7.6))
            | {
                "examples": {"worst": worst, "most_improved": improved},
                "available": 412,
                "unreadable": ["images/9.png"],
                "new_characters": [
                    {
                        "character": each,
                        "occurrences": total,
                        "candidate_recalled": read,
                        "champion_recalled": 0,
                    }
                    for each, total, read in [("¥", 14, 13), ("ź", 9, 5), ("額", 6, 6)]
                ],
            },
            part("receipts", "old", 180, metrics(0.911, 0.02, 7.1), metrics(0.905, 0.021, 7.2)),
            part("plates", "old", 12, metrics(0.75, 0.05, 7.0), metrics(0.833, 0.03, 7.0)),
            part("general", "golden", 300, metrics(0.99, 0.002, 7.2), metrics(0.987, 0.002, 7.3)),
        ],
        "seconds": {"champion": 5.4, "candidate": 5.6},
    }


def part(name: str, kind: str, lines: int, champion: Any, candidate: Any) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "lines": lines,
        "available": lines,
        "unreadable": [],
        "champion": champion,
        "candidate": candidate,
        "paired": {
            "both_right": 1,
            "only_champion_right": 1,
            "only_candidate_right": 1,
            "both_wrong": 1,
        },
        "confusions": {
            "champion": [
                {"truth": "0", "read": "O", "count": 11},
                {"truth": "ü", "read": "u", "count": 7},
                {"truth": " ", "read": "", "count": 4},
            ],
            "candidate": [
                {"truth": "l", "read": "1", "count": 3},
                {"truth": "", "read": ".", "count": 2},
            ],
        },
        "new_characters": [],
        "examples": {"worst": [], "most_improved": []},
    }


def verdict() -> dict[str, Any]:
    return {
        "promote": True,
        "headline": "Promoted: 95.2 % of the new lines are read exactly instead of 83.2 %.",
        "reasons": [
            "invoices (new data): 83.2 % to 95.2 % of 250 lines are read exactly; 32 lines got "
            "better, 2 got worse. Luck does not explain this: chance alone does it in less than "
            "0.1 % of cases.",
            "What the model knew before is kept: at worst, receipts (earlier data) loses 0.6 "
            "points (91.1 % to 90.5 % of 180 lines); up to 1.0 points less is allowed.",
            "plates (earlier data) has 12 lines, too few to judge by (20 are needed); it does "
            "not count.",
        ],
        "policy": {"min_gain": 0.01, "max_drop": 0.01, "min_slice_lines": 20, "significance": 0.05},
        "slices": [
            judged("invoices", "new", 250, 0.832, 0.952, (0.78, 0.873), (0.918, 0.972)),
            judged("receipts", "old", 180, 0.911, 0.905, (0.86, 0.944), (0.854, 0.94)),
            judged("plates", "old", 12, 0.75, 0.833, (0.468, 0.911), (0.552, 0.953)),
            judged("general", "golden", 300, 0.99, 0.987, (0.971, 0.997), (0.966, 0.995)),
        ],
    }


def judged(
    name: str,
    kind: str,
    lines: int,
    champion: float,
    candidate: float,
    champion_interval: tuple[float, float],
    candidate_interval: tuple[float, float],
) -> dict[str, Any]:
    difference = candidate - champion
    return {
        "name": name,
        "kind": kind,
        "lines": lines,
        "champion_exact_match": champion,
        "candidate_exact_match": candidate,
        "difference": difference,
        "passed": True,
        "sentence": f"{100 * champion:.1f} % to {100 * candidate:.1f} % of {lines} lines.",
        "p_value": 0.2,
        "confidence_interval": [difference - 0.04, difference + 0.04],
        "champion_interval": list(champion_interval),
        "candidate_interval": list(candidate_interval),
        "drop_bound": 0.01,
    }


def training() -> dict[str, Any]:
    shapes = [
        (epoch, None if epoch == 0 else 2.4 * 0.72**epoch + 0.05, 0.8 + 0.15 * (1 - 0.6**epoch))
        for epoch in range(13)
    ]
    return {
        "run_id": RUN,
        "parent_package_arn": plan()["champion"]["package_arn"],
        "dataset_ids": ["invoices"],
        "dictionary_size": 6629,
        "metrics": {
            "recipe": "head",
            "epochs": 12,
            "learning_rate": 0.001,
            "blend": 0.85,
            "set_aside": 2,
            "set_aside_text_longer_than_image": 2,
        },
        "versions": {"paddlepaddle": "3.3.1", "onnxruntime": "1.24.0"},
        "sha256": {"dict.txt": "ef" * 32},
        "family": "svtr",
        "image_shape": [3, 48, 320],
        "history": [
            {
                "epoch": epoch,
                "loss": loss,
                "learning_rate": 0.001,
                "dev_exact_match": exact,
                "guard_exact_match": 0.985 - 0.001 * epoch,
                "images_per_second": 210.0,
                "seconds": 11.5,
            }
            for epoch, loss, exact in shapes
        ],
    }


def validation() -> dict[str, Any]:
    return {
        "run_id": RUN,
        "complete": True,
        "give_up_waiting": False,
        "train_lines": 1640,
        "holdout_lines": 412,
        "reason": "",
        "notes": ["3 new characters: ¥, ź and 額; 額 has the fewest train lines (6)."],
        "datasets": [
            {
                "name": "invoices",
                "label_files": ["labels/train.txt"],
                "label_file_count": 1,
                "label_lines": 2071,
                "missing_images": 4,
                "train_lines": 1640,
                "holdout_lines": 412,
                "unused_lines": {"missing_image": 4, "no_tab": 9, "unknown_character": 6},
                "holdout_rule": "by content",
                "set_aside": "",
            },
        ],
        "missing_count": 4,
        "missing": ["images/0871.png"],
        "missing_uri": f"s3://bucket/runs/{RUN}/missing.jsonl",
        "normalised": {"compose": 17},
        "problems": [
            {"code": "no_tab", "count": 9, "first": ["labels/train.txt line 17: images/x.png"]},
            {"code": "unknown_character", "count": 6, "first": [f"line 30: {HOSTILE}"]},
            {"code": "missing_image", "count": 4, "first": ["labels/train.txt line 901"]},
        ],
        "problems_uri": f"s3://bucket/runs/{RUN}/problems.jsonl",
    }


def plan() -> dict[str, Any]:
    return {
        "run_id": RUN,
        "datasets": ["invoices"],
        "champion": {
            "package_arn": f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:model-package/ocr-retrain/3",
            "package_version": 3,
            "model_data": "s3://bucket/models/three/output/model.tar.gz",
        },
        "hyperparameters": {"run_id": RUN, "epochs": "12", "dataset_ids": '["invoices"]'},
        "train_lines": 1480,
        "dev_lines": 160,
        "replay_lines": 400,
        "replay_from": {"receipts": 900},
        "slices": [],
        "golden_lines_dropped": {},
        "new_characters": ["¥", "ź", "額"],
    }


def jobs() -> tuple[Job, ...]:
    train = f"ocr-retrain-{RUN}-train"
    return (
        Job(
            kind="training",
            name=f"{train}-s0",
            status="Failed",
            instance_type="ml.g5.xlarge",
            seconds=312,
            billable_seconds=0,
            spot=True,
            image=IMAGE,
        ),
        Job(
            kind="training",
            name=f"{train}-s1",
            status="Completed",
            instance_type="ml.g5.xlarge",
            seconds=1431,
            billable_seconds=452,
            spot=True,
            image=IMAGE,
        ),
        Job(
            kind="evaluation",
            name=f"ocr-retrain-{RUN}-evaluate-0",
            status="Completed",
            instance_type="ml.c5.2xlarge",
            seconds=274,
            image=IMAGE,
        ),
    )


def picture(text: str, seed: int) -> bytes:
    """Draw a line as a scanner may have seen it; letters without a glyph become strokes."""
    noise = random.Random(seed)
    image = Image.new("L", (min(960, 40 + 22 * len(text)), 48), 238)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(28)
    drawable = "".join(each if ord(each) < 256 else "~" for each in text)
    draw.text((12, 6 + noise.randint(-2, 4)), drawable, fill=noise.randint(10, 70), font=font)
    for _ in range(60):
        draw.point((noise.randrange(image.width), noise.randrange(48)), fill=noise.randrange(255))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def write_run(bucket: Bucket) -> None:
    """Put all files of the run into a bucket."""
    folder = f"runs/{RUN}"
    bucket.write_json(f"{folder}/validation.json", validation())
    bucket.write_json(f"{folder}/plan.json", plan())
    bucket.write_json(f"{folder}/verdict.json", verdict())
    bucket.write_json(f"{folder}/evaluation/evaluation.json", evaluation())
    bucket.write_json(f"{folder}/evaluation/training.json", training())
    for number, (text, _, _) in enumerate(LINES):
        bucket.write_bytes(f"{folder}/evaluation/examples/{number:04}.jpg", picture(text, number))


def names_of_pictures() -> list[str]:
    return [f"examples/{number:04}.jpg" for number in range(len(LINES))]


def material(**changes: Any) -> Material:
    """Give the material of the run, as it is gathered."""
    known: dict[str, Any] = {
        "run_id": RUN,
        "written_at": NOW,
        "prices": price_table({}),
        "trained": True,
        "started_at": STARTED,
        "verdict": parse(Verdict, verdict()),
        "evaluation": parse(Evaluation, evaluation()),
        "training": parse(Training, training()),
        "validation": parse(Validation, validation()),
        "plan": parse(Plan, plan()),
        "label_files": (
            LabelFile(
                dataset="invoices",
                name="labels/train.txt",
                etag="9b2cf535f27731c974343645a3985328",
                version_id="3sL4kqtJlcpXroDTDmJ",
                lines=2071,
            ),
        ),
        "jobs": jobs(),
        "pictures": {},
        "digests": {IMAGE: DIGEST},
        "code_version": "1f0c2aa",
        "code_fingerprint": fingerprint(),
    }
    return Material(**(known | changes))


def data_uris() -> dict[str, str]:
    return {
        name: "data:image/jpeg;base64," + base64.b64encode(picture(line[0], number)).decode()
        for number, (name, line) in enumerate(zip(names_of_pictures(), LINES, strict=True))
    }

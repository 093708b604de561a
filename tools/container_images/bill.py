"""What is in an image: a CycloneDX bill of materials that Syft makes, checked by its schema."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from tools.container_images.engine import Engine, EngineError

_SCHEMA = SchemaVersion.V1_6


@dataclass(frozen=True)
class Bill:
    """A bill of materials in a file: Python and Debian packages with versions and licences."""

    path: Path

    @classmethod
    def write(cls, engine: Engine, reference: str, path: Path, version: str) -> Bill:
        """List what is in an image. Raises EngineError when Syft fails or breaks the schema."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            archive = Path(scratch) / "image.tar"
            partial = Path(scratch) / "bill.json"
            engine.ask("save", "--output", str(archive), reference)
            _run_syft(archive, partial, reference, version)
            _check(partial.read_text(encoding="utf-8"))
            shutil.copyfile(partial, path)
        return cls(path)


def _run_syft(archive: Path, target: Path, reference: str, version: str) -> None:
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("syft")), "scan", f"docker-archive:{archive}"),
            *("--output", f"cyclonedx-json@{_SCHEMA.to_version()}={target}"),
            *("--source-name", reference, "--source-version", version, "--quiet"),
        ],
        check=False,
        capture_output=True,
        text=True,
        # It looks for a newer version of itself otherwise.
        env={"SYFT_CHECK_FOR_APP_UPDATE": "false", "TMPDIR": str(archive.parent)},
    )
    if done.returncode:
        raise EngineError(f"Syft cannot read {reference}: {done.stderr.strip()[-500:]}")


def _check(text: str) -> None:
    error = JsonStrictValidator(_SCHEMA).validate_str(text)
    if error is not None:
        raise EngineError(f"The bill of materials breaks CycloneDX's schema: {str(error)[:500]}")

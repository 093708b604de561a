"""What other tools say of the templates: sam, cfn-lint, checkov."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.lint_state_machines import state_machine_problems
from tools.prove import reasons, sources
from tools.prove.proof import Proof, proof
from tools.prove.sources import ROOT

AREA = "Template"
_CHECKOV = ROOT / ".runtimes" / "checkov" / "bin" / "python"
_SECONDS = 1800


def proofs() -> list[Proof]:
    """Return what the auditors find; some of them take a minute."""
    return [_sam(), _cfn_lint(), _checkov()]


def _sam() -> Proof:
    command = [str(ROOT / ".runtimes" / "sam" / "bin" / "sam"), "validate", "--lint"]
    done = _run(command, {"AWS_DEFAULT_REGION": "us-east-1", "SAM_CLI_TELEMETRY": "0"})
    problems = [] if done.returncode == 0 else [(done.stdout + done.stderr)[-2000:]]
    return proof(AREA, "is valid to SAM", "sam validate --lint", 1, problems)


def _cfn_lint() -> Proof:
    problems: list[str] = []
    for name in ("template.yaml", "images.yaml"):
        done = _run([str(ROOT / ".venv" / "bin" / "cfn-lint"), name], {})
        problems += [f"{name}: {line}" for line in done.stdout.splitlines() if line]
    problems += state_machine_problems()
    how = "cfn-lint: both templates, and the SAM-transformed one with the definitions inlined"
    return proof(AREA, "is valid to CloudFormation", how, 3, problems)


def _checkov() -> Proof:
    """Security rules of an auditor; what is left out has a reason in reasons.yaml."""
    given = reasons.read("checkov")
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "template.json")
        plain.write_text(json.dumps(sources.transformed(), default=str), encoding="utf-8")
        program = str(Path(__file__).with_name("run_checkov.py"))
        done = _run([str(_CHECKOV), "-P", program, str(plain), str(ROOT / "images.yaml")], {})
    if done.returncode != 0:
        return proof(AREA, "passes checkov", "checkov", 1, [done.stderr[-2000:]])
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    found = {f"{check} {resource}": name for check, resource, name in report["failed"]}
    problems = [
        f"{each}: {name}; mend it, or give a reason in tools/prove/{reasons.FILE.name}, checkov"
        for each, name in found.items()
        if not given.covers(each)
    ]
    passed, skipped = int(report["passed"]), len(found) - len(problems)
    how = f"checkov: {passed} passed, {skipped} left out for {len(given.patterns)} written reasons"
    total = passed + len(found)
    return proof(AREA, "passes an auditor", how, total, [*problems, *given.without_cause(found)])


def _run(command: Sequence[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )

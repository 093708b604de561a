"""What the person at the command line needs: the policy in docs/, against the recorded calls."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.prove import permissions, sources
from tools.prove.calls import requests
from tools.prove.policies import Statement, statements
from tools.prove.proof import Proof, proof
from tools.prove.recordings import Recording
from tools.prove.resolved import ACCOUNT, PARTITION, REGION, Resolver
from tools.prove.roles import Role
from tools.prove.sources import ROOT

FILE = ROOT / "docs" / "operator-policy.json"
# The access key id of the command line on a local cloud.
CALLER = "local"


def proofs(recordings: Sequence[Recording], file: Path = FILE) -> list[Proof]:
    """Every call of the command line in a recorded run is allowed by the documented policy."""
    usage = permissions.Usage()
    for recording in recordings:
        resolver = sources.resolver(recording.parameters, recording.physical)
        role = Role("docs/operator-policy.json", "", {}, tuple(policy(resolver, file)))
        for call in recording.calls:
            if call.caller == CALLER:
                for request in requests(call):
                    usage.ask(role, (), request, "the command line")
    checks = sum(len(each) for each in usage.asked.values())
    how = "docs/operator-policy.json against the calls of drop, watch, report, reject, predict ..."
    return [proof("IAM", "an operator's policy suffices", how, checks, usage.refused)]


def policy(resolver: Resolver, file: Path = FILE) -> list[Statement]:
    """Return the statements of the policy with a stack's names in the place of <...>."""
    names = {
        "<partition>": PARTITION,
        "<region>": REGION,
        "<account>": ACCOUNT,
        "<stack>": "ocr-retrain",
        "<prefix>": resolver.parameters["Prefix"],
        "<bucket>": resolver.name("Bucket"),
        "<table>": resolver.name("Ledger"),
    }
    text = file.read_text(encoding="utf-8")
    for placeholder, name in names.items():
        text = text.replace(placeholder, name)
    document: dict[str, Any] = json.loads(text)
    return statements(document, "operator")

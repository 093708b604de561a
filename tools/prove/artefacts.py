"""Each function starts from its built zip alone, with the Lambda runtime's own SDK.

Cold start and memory are measured on the machine that proves; AWS's own differ with MemorySize.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.prove import reasons, sources
from tools.prove.proof import Proof, proof
from tools.prove.recordings import Recording
from tools.prove.sources import ROOT

from localcloud.build_store import BuildStore
from localcloud.lambda_runtime_api import RuntimeApi
from localcloud.sam_build import build_functions
from localcloud.sam_template import function_sources, read_template

AREA = "Functions"
UNZIPPED_BYTES = 250 * 1024**2
# Lambda ends an initialisation after ten seconds and begins again; a busy machine needs longer.
_PATIENCE_SECONDS = 120.0
_RUNTIME = ROOT / ".runtimes" / "lambda" / "bin" / "python"


@dataclass(frozen=True)
class Started:
    """How a function's process came up: seconds until its first event, peak memory in MB."""

    function: str
    seconds: float
    megabytes: float
    fault: str


def proofs(recordings: Sequence[Recording]) -> list[Proof]:
    """Build the functions, start each once; tell which of them the recorded run has called."""
    resolver = sources.resolver()
    declared = {
        name: resource["Properties"]
        for name, resource in resolver.resources().items()
        if resource["Type"] == "AWS::Lambda::Function"
    }
    archives = _build()
    started, sizes = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for name, properties in declared.items():
            archive = archives[name]
            code = Path(folder, str(archive.parent.name))
            if archive not in sizes:
                sizes[archive] = _unpack(archive, code)
            environment = properties.get("Environment", {}).get("Variables", {})
            started.append(_start(resolver.name(name), properties["Handler"], code, environment))
    called = {each.rpartition(":")[2] for each in _called(recordings)}
    return [_starts(started, declared), _small(sizes), _runs(started, called)]


def _starts(started: Sequence[Started], declared: Mapping[str, Mapping[str, object]]) -> Proof:
    memory = {str(each["FunctionName"]): int(str(each["MemorySize"])) for each in declared.values()}
    problems = [f"{each.function}: {each.fault}" for each in started if each.fault]
    problems += [
        f"{each.function}: needs {each.megabytes:.0f} MB to start, has {memory[each.function]}"
        for each in started
        if each.megabytes > memory[each.function]
    ]
    seconds = sorted(each.seconds for each in started)
    peak = max(each.megabytes for each in started)
    how = (
        f"clean process, only the zip and the runtime's boto3; cold start here {seconds[0]:.1f} to "
        f"{seconds[-1]:.1f} s, at most {peak:.0f} MB"
    )
    notes = [
        f"{each.function}: {each.seconds:.2f} s, {each.megabytes:.0f} MB of {memory[each.function]}"
        for each in started
    ]
    return proof(AREA, "start from their zip alone", how, len(started), problems, notes)


def _small(sizes: Mapping[Path, int]) -> Proof:
    problems = [
        f"{archive}: {size / 1024**2:.0f} MB unpacked, Lambda takes 250"
        for archive, size in sizes.items()
        if size > UNZIPPED_BYTES
    ]
    largest = max(sizes.values()) / 1024**2
    how = f"{largest:.0f} of 250 MB unpacked; {len(sizes)} zip for all functions"
    return proof(AREA, "are small enough", how, len(sizes), problems)


def _runs(started: Sequence[Started], called: set[str]) -> Proof:
    given = reasons.read("uncalled")
    problems = [
        f"{each.function}: the recorded run never called it"
        for each in started
        if each.function not in called and not given.covers(each.function)
    ]
    problems += given.without_cause(each.function for each in started)
    how = "awslambdaric, the built zip, the runtime's SDK; called in the recorded run"
    return proof(AREA, "run", how, len(started), problems)


def _called(recordings: Sequence[Recording]) -> set[str]:
    found = {call.caller for recording in recordings for call in recording.calls}
    for recording in recordings:
        for execution in recording.executions:
            for task in execution.tasks:
                found.add(str(task.arguments.get("FunctionName", "")))
    return found


def _build() -> dict[str, Path]:
    template = ROOT / "template.yaml"
    store = BuildStore(ROOT / ".cache" / "local-cloud" / "builds")
    functions = function_sources(read_template(template))
    return build_functions(ROOT, template, functions, store, lambda _: None)


def _unpack(archive: Path, code: Path) -> int:
    with zipfile.ZipFile(archive) as file:
        file.extractall(code)
        return sum(each.file_size for each in file.infolist())


def _start(function: str, handler: str, code: Path, variables: Mapping[str, object]) -> Started:
    """Let AWS's own interface client load the handler, and measure until it asks for an event."""
    api = RuntimeApi()
    begin = time.monotonic()
    process = subprocess.Popen(
        [str(_RUNTIME), "-m", "awslambdaric", handler],
        cwd=code,
        env={
            **{name: str(value) for name, value in variables.items()},
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
            "AWS_LAMBDA_FUNCTION_NAME": function,
            "AWS_LAMBDA_RUNTIME_API": api.address,
            "LAMBDA_TASK_ROOT": str(code),
            "PYTHONPATH": str(code),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not api.is_initialised.wait(0.02):
            if process.poll() is not None or time.monotonic() - begin > _PATIENCE_SECONDS:
                told = api.initialisation_error or b"it did not start"
                return Started(function, 0, 0, told.decode(errors="replace")[:500])
        return Started(function, time.monotonic() - begin, _peak(process.pid), "")
    finally:
        process.kill()
        process.wait()
        api.close()


def _peak(pid: int) -> float:
    """Return a process's peak memory in MB; 0 where the system does not tell."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0

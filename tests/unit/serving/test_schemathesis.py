"""The running server against its published description, by generated requests."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

OPERATIONS = [
    ("/ping", "GET"),
    ("/invocations", "POST"),
    ("/execution-parameters", "GET"),
]


@pytest.fixture(scope="module")
def api(serve, base_dir):
    with serve(base_dir) as server:
        server.wait_until_ready()
        yield schemathesis.openapi.from_url(f"{server.url}/openapi.json")


def test_every_operation_is_tested(api):
    described = [each.ok() for each in api.get_all_operations()]

    assert [(each.path, each.method.upper()) for each in described] == OPERATIONS


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_the_server_keeps_to_its_description(api, path, method, mode):
    operation = api[path][method]
    if mode is GenerationMode.NEGATIVE and path != "/invocations":
        pytest.skip("takes nothing that could be wrong")

    @settings(
        max_examples=60,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case):
        # No schema says which bytes are an image: nearly all of these are refused.
        case.call_and_validate(timeout=30, excluded_checks=[positive_data_acceptance])

    check()

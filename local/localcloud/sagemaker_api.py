"""Puts our SageMaker operations behind moto's HTTP endpoint.

moto finds an operation by the method name on its response class, so that is where ours go. What
moto keeps for other SageMaker resources (experiments, feature groups and so on) stays as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from moto.core.responses import ActionResult
from moto.core.utils import camelcase_to_underscores
from moto.sagemaker.exceptions import SagemakerClientError
from moto.sagemaker.responses import SageMakerResponse

from localcloud.sagemaker_errors import RequestInvalidError, SageMakerError
from localcloud.sagemaker_validation import check_parameters
from localcloud.timestamps import now

Document = dict[str, Any]
Parameters = Mapping[str, Any]
Operation = Callable[[Parameters], Document | None]

_PRETENDED_BY_MOTO = (
    "CreateAutoMLJobV2",
    "CreateCluster",
    "CreateCompilationJob",
    "CreateHyperParameterTuningJob",
    "CreateNotebookInstance",
    "CreatePipeline",
    "StartPipelineExecution",
)


class _MotoResponse(Protocol):
    params: Parameters


def serve(operations: Mapping[str, Operation]) -> None:
    """Answer each named operation (``CreateTrainingJob``...) with our function.

    The parameters arrive checked against AWS's service model, as a private copy.
    """
    for name, operation in operations.items():
        setattr(SageMakerResponse, camelcase_to_underscores(name), _method(name, operation))


def refuse_what_moto_pretends() -> None:
    """Make operations fail that moto answers with success without doing anything."""

    def refusal(name: str) -> Operation:
        def refuse(_: Parameters) -> None:
            raise RequestInvalidError(f"The local cloud does not run {name}: use AWS for it.")

        return refuse

    serve({name: refusal(name) for name in _PRETENDED_BY_MOTO})


def timestamp() -> datetime:
    """Return now, in UTC, with the millisecond precision AWS answers with."""
    moment = now()
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def without_nothing(document: Mapping[str, Any]) -> Document:
    """Return ``document`` without the members that are None: AWS leaves them out."""
    return {name: value for name, value in document.items() if value is not None}


def _method(name: str, operation: Operation) -> Callable[[_MotoResponse], object]:
    def answer(response: _MotoResponse) -> object:
        parameters = copy.deepcopy(dict(response.params))
        try:
            check_parameters(name, parameters)
            return ActionResult(operation(parameters))
        except SageMakerError as error:
            raise SagemakerClientError(error.code, str(error)) from error

    return answer

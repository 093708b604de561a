"""HTTP: SageMaker's routes, limits and status codes around a Reader. The only user of Starlette."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from recognition.images import ImageError
from serving.messages import (
    Broken,
    ReadRequest,
    RequestError,
    encode,
    error_document,
    parse_request,
    predictions_document,
)
from serving.reader import Models, Reader
from serving.settings import Settings

_log = logging.getLogger(__name__)

_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
_RETRY = {"Retry-After": "1"}
# SageMaker allows at most 100 MB in flight per batch transform instance.
_MAX_TRANSFORM_MEGABYTES = 100


class Server:
    """Answers HTTP requests; not ready until the models are loaded."""

    def __init__(
        self,
        settings: Settings,
        load: Callable[[], Models],
        on_load_failure: Callable[[], None] = lambda: None,
    ) -> None:
        """`load` is called in a thread once the server listens; it raises when a model is bad."""
        self._settings = settings
        self._load = load
        self._on_load_failure = on_load_failure
        self._reader: Reader | None = None
        self._identity: dict[str, str] = {}
        self._in_flight = 0

    def application(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(
            routes=[
                Route("/ping", self._ping, methods=["GET"]),
                Route("/invocations", self._invocations, methods=["POST"]),
                Route("/execution-parameters", self._execution_parameters, methods=["GET"]),
            ],
            lifespan=self._lifespan,
            exception_handlers={HTTPException: _on_http_error, Exception: _on_our_fault},
        )

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        loading = asyncio.create_task(self._become_ready())
        try:
            yield
        finally:
            await loading
            if self._reader is not None:
                self._reader.close()

    async def _become_ready(self) -> None:
        try:
            models = await asyncio.to_thread(self._load)
        except Exception as error:
            _log.critical("The model cannot be served: %s", error, exc_info=True)
            self._on_load_failure()
            return
        settings = self._settings
        self._identity = _identity(models)
        self._reader = Reader(
            models,
            limits=settings.image_limits,
            threads=settings.threads,
            max_pages=settings.max_decoded_pages,
            max_batch=settings.max_batch_lines,
        )
        _log.info("Serving model %s, %d characters.", models.version, models.dictionary_size)

    async def _ping(self, _request: Request) -> Response:
        if self._reader is None:
            return _unavailable("The model is still being loaded.")
        return Response(status_code=HTTPStatus.OK, headers=self._identity)

    async def _execution_parameters(self, _request: Request) -> Response:
        megabytes = self._settings.max_body_megabytes
        at_once = min(self._settings.max_requests, _MAX_TRANSFORM_MEGABYTES // megabytes)
        return _json(
            {
                "MaxConcurrentTransforms": at_once,
                "BatchStrategy": "SINGLE_RECORD",
                "MaxPayloadInMB": megabytes,
            }
        )

    async def _invocations(self, request: Request) -> Response:
        if self._reader is None:
            return _unavailable("The model is still being loaded.")
        if self._in_flight >= self._settings.max_requests:
            return _unavailable("Too many requests are waiting; try again.")
        self._in_flight += 1
        try:
            async with asyncio.timeout(self._settings.request_seconds):
                document = await self._answer(self._reader, request)
        except RequestError as error:
            return _json(error_document(str(error)), error.status, self._identity)
        except TimeoutError:
            return _unavailable("The request took too long; try again, or send less at once.")
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        finally:
            self._in_flight -= 1
        return _json(document, headers=self._identity)

    async def _answer(self, reader: Reader, request: Request) -> Mapping[str, object]:
        body = await _read_body(request, self._settings.max_body_bytes)
        asked = await asyncio.to_thread(
            parse_request,
            request.headers.get("content-type", ""),
            request.headers.get(_ATTRIBUTES, ""),
            request.query_params,
            body,
            self._settings.max_images,
        )
        if asked.many:
            return {"results": await _answer_each(reader, asked)}
        (image,) = asked.images
        document = await _answer_one(reader, image, asked)
        if isinstance(document, Broken):
            raise RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, document.error)
        return document


async def _answer_each(reader: Reader, asked: ReadRequest) -> list[Mapping[str, object]]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_answer_one(reader, image, asked)) for image in asked.images]
    answers = [task.result() for task in tasks]
    return [
        error_document(answer.error) if isinstance(answer, Broken) else answer for answer in answers
    ]


async def _answer_one(
    reader: Reader, image: bytes | Broken, asked: ReadRequest
) -> Mapping[str, object] | Broken:
    if isinstance(image, Broken):
        return image
    try:
        return predictions_document(await reader.read(image, asked.mode))
    except ImageError as error:
        return Broken(str(error))


async def _read_body(request: Request, limit: int) -> bytes:
    too_large = RequestError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is larger than {limit} bytes; send less."
    )
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limit:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        if len(body) + len(chunk) > limit:
            raise too_large
        body += chunk
    return bytes(body)


def _identity(models: Models) -> dict[str, str]:
    # SageMaker hands only the custom attributes on to the client of InvokeEndpoint.
    version = "".join(c if c.isascii() and c.isprintable() else "?" for c in models.version)
    size = str(models.dictionary_size)
    return {
        "X-Model-Version": version,
        "X-Dictionary-Size": size,
        _ATTRIBUTES: f"model_version={version};dictionary_size={size}",
    }


def _json(
    document: Mapping[str, object],
    status: int = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
) -> Response:
    return Response(encode(document), status, headers, media_type="application/json")


def _unavailable(message: str) -> Response:
    return _json(error_document(message), HTTPStatus.SERVICE_UNAVAILABLE, _RETRY)


async def _on_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    message = f"{request.method} {request.url.path}: {error.detail}."
    return _json(error_document(message), error.status_code, error.headers)


async def _on_our_fault(request: Request, _error: Exception) -> Response:
    message = "The server failed on this request; its log has the reason."
    return _json(error_document(message), HTTPStatus.INTERNAL_SERVER_ERROR)

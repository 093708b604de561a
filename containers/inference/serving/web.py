"""HTTP: SageMaker's routes, limits and status codes around a Reader. The only user of Starlette."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from recognition.images import ImageError
from serving.admission import Admission, Place
from serving.answers import (
    Document,
    Form,
    asked_form,
    encode,
    error_document,
    image_document,
    write,
)
from serving.messages import Broken, Options, ReadRequest, RequestError, parse_request
from serving.reader import Models, Reader
from serving.settings import Settings

_log = logging.getLogger(__name__)

_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
_RETRY = {"Retry-After": "1"}
# One image's fault: in a transform job it must not end the job for all others.
_FAULTS_OF_AN_IMAGE = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
# SageMaker allows at most 100 MB in flight per batch transform instance.
_MAX_TRANSFORM_MEGABYTES = 100
# Smaller ones are parsed faster than a thread is woken.
_LARGE_BODY_BYTES = 100_000
_LOOK_EVERY_SECONDS = 1.0
_DESCRIPTION = Path(__file__).with_name("openapi.json")


def _nothing() -> None:
    pass


class Server:
    """Answers HTTP requests; not ready until the models are loaded."""

    def __init__(
        self,
        settings: Settings,
        load: Callable[[], Models],
        on_load_failure: Callable[[], None] = _nothing,
        on_hang: Callable[[], None] = _nothing,
    ) -> None:
        """`load` is called in a thread once the server listens; it raises when a model is bad.

        `on_hang` is called when a thread has been at one piece of work for too long.
        """
        self._settings = settings
        self._load = load
        self._on_load_failure = on_load_failure
        self._on_hang = on_hang
        self._reader: Reader | None = None
        self._identity: dict[str, str] = {}
        self._defaults = Options(mode=settings.mode, min_confidence=settings.min_confidence)
        self._admission = Admission(settings.max_requests, settings.max_waiting_bytes)

    def application(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(
            routes=[
                Route("/ping", self._ping, methods=["GET"]),
                Route("/invocations", self._invocations, methods=["POST"]),
                Route("/execution-parameters", self._execution_parameters, methods=["GET"]),
                Route("/openapi.json", _describe, methods=["GET"]),
            ],
            lifespan=self._lifespan,
            exception_handlers={HTTPException: _on_http_error, Exception: _on_our_fault},
        )

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        loading = asyncio.create_task(self._become_ready())
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
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
            max_lines=settings.max_decoded_lines,
        )
        _log.info(
            "Serving model %s, %d characters, with %s, %d at once.",
            models.version,
            models.dictionary_size,
            models.engine,
            models.lanes,
        )

    async def _watch(self) -> None:
        while not self._hangs():
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
        _log.critical("A thread has been at one image for %s s.", self._settings.hang_seconds)
        self._on_hang()

    def _hangs(self) -> bool:
        reader = self._reader
        return reader is not None and reader.longest_seconds() > self._settings.hang_seconds

    async def _ping(self, _request: Request) -> Response:
        if self._reader is None:
            return _unavailable("The model is still being loaded.")
        if self._hangs():
            return _unavailable("The server hangs and is about to be started anew.")
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
        reader = self._reader
        if reader is None:
            return _unavailable("The model is still being loaded.")
        try:
            with self._admission.place() as place:
                async with asyncio.timeout(self._settings.request_seconds):
                    return await self._answer(reader, request, place)
        except RequestError as error:
            if self._settings.batch and error.status in _FAULTS_OF_AN_IMAGE:
                return _json(error_document(str(error)), headers=self._identity)
            retry = _RETRY if error.status == HTTPStatus.TOO_MANY_REQUESTS else {}
            return _json(error_document(str(error)), error.status, {**self._identity, **retry})
        except TimeoutError:
            if self._settings.batch:
                told = f"The image took longer than {self._settings.request_seconds:g} s."
                return _json(error_document(told), headers=self._identity)
            return _unavailable("The request took too long; try again, or send less at once.")
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)

    async def _answer(self, reader: Reader, request: Request, place: Place) -> Response:
        form = _wanted_form(request)
        body = await self._read_body(request, place)
        asked = await self._understand(request, body)
        del body
        answers = await _read_each(reader, asked)
        if not asked.many and isinstance(answers[0], Broken):
            raise RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, answers[0].error)
        documents = [
            error_document(each.error) if isinstance(each, Broken) else each for each in answers
        ]
        content = write(documents, asked.many, form)
        return Response(content, headers=self._identity, media_type=form.value)

    async def _read_body(self, request: Request, place: Place) -> bytes:
        try:
            async with asyncio.timeout(self._settings.body_seconds):
                return await _receive(request, place, self._settings.max_body_bytes)
        except TimeoutError as error:
            raise RequestError(
                HTTPStatus.REQUEST_TIMEOUT, "The body did not arrive in time; send it again."
            ) from error

    async def _understand(self, request: Request, body: bytes) -> ReadRequest:
        headers = request.headers
        arguments = (
            headers.get("content-type", ""),
            headers.get(_ATTRIBUTES, ""),
            request.query_params,
            body,
            self._settings.max_images,
            self._defaults,
        )
        if len(body) < _LARGE_BODY_BYTES:
            return parse_request(*arguments)
        return await asyncio.to_thread(parse_request, *arguments)


async def _read_each(reader: Reader, asked: ReadRequest) -> list[Document | Broken]:
    if len(asked.images) == 1:
        return [await _read_one(reader, asked.images[0], asked)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_read_one(reader, image, asked)) for image in asked.images]
    return [task.result() for task in tasks]


async def _read_one(reader: Reader, image: bytes | Broken, asked: ReadRequest) -> Document | Broken:
    if isinstance(image, Broken):
        return image
    options = asked.options
    try:
        predictions = await reader.read(image, options.reading_mode())
    except ImageError as error:
        return Broken(str(error))
    return image_document(predictions, options.min_confidence, options.rotated_boxes)


def _wanted_form(request: Request) -> Form:
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.strip().lower() not in ("", "identity"):
        raise RequestError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content encoding {encoding[:40]!r} is not supported; send the body as it is.",
        )
    form = asked_form(",".join(request.headers.getlist("accept")))
    if form is None:
        raise RequestError(
            HTTPStatus.NOT_ACCEPTABLE,
            f"Answers are {' or '.join(each.value for each in Form)}; accept one of them.",
        )
    return form


async def _receive(request: Request, place: Place, limit: int) -> bytes:
    too_large = RequestError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is larger than {limit} bytes; send less."
    )
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal():
        if int(declared) > limit:
            raise too_large
        place.hold(int(declared))
    body = bytearray()
    async for chunk in request.stream():
        if len(body) + len(chunk) > limit:
            raise too_large
        body += chunk
        place.hold(len(body))
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


async def _describe(_request: Request) -> Response:
    return Response(_DESCRIPTION.read_bytes(), media_type="application/json")


def _json(
    document: Document,
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

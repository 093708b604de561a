"""Fetching one file over HTTPS whose SHA-256 is known, within a size, and keeping it."""

from __future__ import annotations

import hashlib
import http.client
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from ocr_retrain.errors import UserError
from ocr_retrain.phrases import size

MOST_BYTES = 2 * 1024**3
_CHUNK = 1024 * 1024
_SECONDS_WITHOUT_A_BYTE = 60.0
_SHA256 = re.compile(r"[0-9a-f]{64}")
_UNUSUAL = re.compile(r"[^A-Za-z0-9._-]")

OnProgress = Callable[[int, int | None], None]
"""Is told how many bytes are there, and of how many (None when the server does not say)."""


def is_url(source: str) -> bool:
    """Tell whether a source is an address rather than a name or a path."""
    return "://" in source


def file_name(url: str) -> str:
    """Return the name of the file that an address ends with, in harmless characters."""
    last = unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2]
    return _UNUSUAL.sub("_", last).lstrip(".") or "download"


def download(
    url: str,
    sha256: str | None,
    folder: Path,
    on_progress: OnProgress = lambda done, total: None,
    context: ssl.SSLContext | None = None,
    most_bytes: int = MOST_BYTES,
) -> Path:
    """Return the file at ``url``, fetched into ``folder`` unless it is there with that checksum.

    Raises UserError when the address is not https (redirects included), when the checksum is
    missing or another, when the file is larger than ``most_bytes``, or when it cannot be fetched.
    """
    if urlsplit(url).scheme != "https":
        raise UserError(f"{url} is no https address: nothing else is fetched.")
    wanted = (sha256 or "").lower()
    if not _SHA256.fullmatch(wanted):
        raise UserError(
            "A model from the internet needs --sha256 with the 64 digits that its publisher "
            "gives, so that it is this file and no other."
        )
    target = folder / wanted / file_name(url)
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    try:
        found = _fetch(url, partial, on_progress, context, most_bytes)
        if found != wanted:
            raise UserError(
                f"{url} has the SHA-256 {found}, not {wanted}: it is another file than the one "
                "that was meant, and was deleted."
            )
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def _fetch(
    url: str,
    target: Path,
    on_progress: OnProgress,
    context: ssl.SSLContext | None,
    most_bytes: int,
) -> str:
    """Write the file and return its SHA-256."""
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=context or ssl.create_default_context()),
        _RedirectsToHttpsOnly(),
    )
    digest, done = hashlib.sha256(), 0
    try:
        with opener.open(url, timeout=_SECONDS_WITHOUT_A_BYTE) as answer, target.open("wb") as sink:
            total = _length(answer.headers.get("Content-Length"))
            _require_size(url, total or 0, most_bytes)
            while chunk := answer.read(_CHUNK):
                done += len(chunk)
                _require_size(url, done, most_bytes)
                sink.write(chunk)
                digest.update(chunk)
                on_progress(done, total)
    # URLError and HTTPError are OSErrors, and so is a time-out.
    except (OSError, http.client.HTTPException) as error:
        raise UserError(f"{url} could not be fetched: {_why(error)}.") from error
    if total is not None and done != total:
        raise UserError(f"{url} ended after {size(done)} of {size(total)}: try again.")
    return digest.hexdigest()


def _length(header: str | None) -> int | None:
    return int(header) if header and header.isdecimal() else None


def _require_size(url: str, found: int, most_bytes: int) -> None:
    if found > most_bytes:
        raise UserError(f"{url} is larger than {size(most_bytes)}: it is no recognition model.")


def _why(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    return str(error) or type(error).__name__


class _RedirectsToHttpsOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never to an address that anybody on the way could change."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme != "https":
            raise UserError(f"{req.full_url} leads to {newurl}, which is no https address.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]

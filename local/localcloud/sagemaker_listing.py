"""Sorting, filtering and paging as SageMaker's List operations do it.

moto filters before it pages. AWS cuts the page first and applies the status filter to that page:
a page may come back empty with a ``NextToken`` although a later page has matches.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from localcloud.sagemaker_api import Parameters
from localcloud.sagemaker_errors import RequestInvalidError

_DEFAULT_PAGE = 10


class Listed(Protocol):
    """What a record must have to be listed."""

    @property
    def name(self) -> str:
        """The name the resource is sorted and searched by."""

    @property
    def creation_time(self) -> datetime:
        """When it was created (aware)."""

    @property
    def last_modified_time(self) -> datetime:
        """When it last changed (aware)."""

    @property
    def status(self) -> str:
        """What ``StatusEquals`` and ``SortBy=Status`` look at."""


Record = TypeVar("Record", bound=Listed)


def list_page(
    records: Iterable[Record],
    parameters: Parameters,
    *,
    newest_first: bool = False,
    on_page: Callable[[Record], bool] = lambda _: True,
) -> tuple[list[Record], str | None]:
    """Return one page of ``records`` and the token of the next page, if there is one.

    ``newest_first`` is the order when the request names none; ``on_page`` is a filter that, like
    ``StatusEquals``, thins out the page after it was cut. Raises RequestInvalidError for a bad
    token.
    """
    chosen = _sorted([record for record in records if _matches(record, parameters)], parameters)
    if parameters.get("SortOrder", "Descending" if newest_first else "Ascending") == "Descending":
        # Not sorted(reverse=True): that keeps the order of records with equal keys.
        chosen.reverse()
    start = _offset(parameters.get("NextToken"))
    end = start + int(parameters.get("MaxResults") or _DEFAULT_PAGE)
    status = parameters.get("StatusEquals")
    page = [
        record
        for record in chosen[start:end]
        if on_page(record) and (status is None or record.status == status)
    ]
    return page, _token(end) if end < len(chosen) else None


def _sorted(records: list[Record], parameters: Parameters) -> list[Record]:
    if parameters.get("SortBy") == "Name":
        return sorted(records, key=lambda record: record.name)
    if parameters.get("SortBy") == "Status":
        return sorted(records, key=lambda record: record.status)
    return sorted(records, key=lambda record: record.creation_time)


def _matches(record: Listed, parameters: Parameters) -> bool:
    part = parameters.get("NameContains")
    if part and part.lower() not in record.name.lower():
        return False
    created, modified = record.creation_time, record.last_modified_time
    return _within(
        created, parameters.get("CreationTimeAfter"), parameters.get("CreationTimeBefore")
    ) and _within(
        modified,
        parameters.get("LastModifiedTimeAfter"),
        parameters.get("LastModifiedTimeBefore"),
    )


def _within(moment: datetime, after: datetime | None, before: datetime | None) -> bool:
    return (after is None or moment > _aware(after)) and (before is None or moment < _aware(before))


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _token(offset: int) -> str:
    return base64.urlsafe_b64encode(str(offset).encode()).decode()


def _offset(token: str | None) -> int:
    if not token:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token.encode()))
    except (binascii.Error, ValueError):
        raise RequestInvalidError(f"Invalid pagination token: {token!r}.") from None

"""Names for values of libraries without usable types, so that signatures say what they are."""

from __future__ import annotations

from typing import Any, TypeAlias

Moto: TypeAlias = Any
"""An object of moto, which has no types for what the repairs touch."""

Client: TypeAlias = Any
"""A boto3 client: they are made at run time and have no common type."""

Json: TypeAlias = Any
"""Any JSON value."""

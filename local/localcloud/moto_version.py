"""Refuse to run on any moto but the one that the repairs were written against."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

PINNED_MOTO = "5.2.5"


class WrongMotoVersionError(RuntimeError):
    """The installed moto is not the pinned one."""


def require_pinned_moto() -> None:
    """Raise WrongMotoVersionError unless the pinned moto is installed.

    The repairs replace private functions of moto: on any other version they might silently do
    nothing, which is worse than not starting.
    """
    try:
        installed = version("moto")
    except PackageNotFoundError:
        installed = "none"
    if installed != PINNED_MOTO:
        raise WrongMotoVersionError(
            f"The local cloud needs moto {PINNED_MOTO}, but {installed} is installed: "
            "run `make setup`."
        )

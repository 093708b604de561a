"""The errors SageMaker answers with, as exceptions."""

from __future__ import annotations


class SageMakerError(Exception):
    """An error answer: an AWS error code and its message."""

    def __init__(self, code: str, message: str) -> None:
        """Keep ``code`` for the answer's ``__type``; the text of the exception is the message."""
        super().__init__(message)
        self.code = code


class RequestInvalidError(SageMakerError):
    """``ValidationException``: AWS uses it for bad values and for names that do not exist."""

    def __init__(self, message: str) -> None:
        """Answer with ``message``."""
        super().__init__("ValidationException", message)


class ResourceInUseError(SageMakerError):
    """``ResourceInUse``: the name is taken."""

    def __init__(self, message: str) -> None:
        """Answer with ``message``."""
        super().__init__("ResourceInUse", message)


class ConflictError(SageMakerError):
    """``ConflictException``: the resource is in a state that forbids the change."""

    def __init__(self, message: str) -> None:
        """Answer with ``message``."""
        super().__init__("ConflictException", message)


class JobInputError(Exception):
    """Data or an image that a job or server needs cannot be used; the text says what is wrong."""

"""Whose fault it was that a deployment did not last: the model's or the account's. Pure.

Rejecting a good model because an account lacks instances would throw work away, and rejecting one
version after the other for the same lack would leave none. So a model is blamed only for what a
model can do.
"""

import re

# What SageMaker says when containers started and did not do their work.
_OF_THE_MODEL = re.compile(
    r"ping health check|\balarms?\b|failed to extract model data|valid tar\.gz archive"
    r"|starts correctly|CannotStartContainer|worker died|out of memory|exited",
    re.IGNORECASE,
)
# What it says when they never could, or could not be had. These win: a text may hold both.
_OF_THE_ACCOUNT = re.compile(
    r"capacity|ResourceLimitExceeded|(service|account)(-level)? limit|limit exceeded|quota"
    r"|throttl|rate exceeded|too many requests"
    r"|request to service failed|internal (server )?error|InternalFailure|service unavailable"
    r"|access ?denied|not authorized|permission|assume|pull the image|cannot pull|CannotPull"
    r"|stopp?ed by|customer support",
    re.IGNORECASE,
)


def is_of_the_model(failure_reason: str) -> bool:
    """Tell whether a FailureReason blames the model.

    A rollback without any reason does: SageMaker forgets why it went back on unhealthy containers.
    An unknown text does not; people are told of it, and the next look tries again.
    """
    if not failure_reason.strip():
        return True
    if _OF_THE_ACCOUNT.search(failure_reason):
        return False
    return _OF_THE_MODEL.search(failure_reason) is not None

"""The exit statuses of every command, so that scripts can tell the outcomes apart."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a process status of ``ocr-retrain`` means."""

    OK = 0
    ERROR = 1
    AWAITING_APPROVAL = 10
    REJECTED = 11
    NOTHING_TO_TRAIN = 12
    FAILED = 13
    TIMED_OUT_WAITING = 14
    WAITING_FOR_MORE = 15
    INTERRUPTED = 130


EXIT_CODES_HELP = (
    "Exit status: 0 promoted, 10 awaiting approval, 11 rejected, 12 nothing to train, "
    "13 failed, aborted or timed out, 14 not over (or not begun) before --timeout, "
    "15 too few lines to judge a model by: they wait for more, 1 wrong usage or no connection."
)

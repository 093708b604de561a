"""Repair: DynamoDB writes are atomic.

moto evaluates a condition and then writes, in the thread of each request: two conditional writes
at once may both succeed. On AWS one of them fails, and the product's run lock relies on it.
"""

from __future__ import annotations

import functools
import threading

from moto.dynamodb.responses import DynamoHandler

from localcloud.context import CloudContext
from localcloud.untyped import Moto


def install(context: CloudContext) -> None:
    """Answer one DynamoDB request at a time."""
    del context
    original = DynamoHandler.call_action
    lock = threading.RLock()

    @functools.wraps(original)
    def call_action(self: Moto) -> Moto:
        with lock:
            return original(self)

    DynamoHandler.call_action = call_action

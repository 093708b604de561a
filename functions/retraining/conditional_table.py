"""A DynamoDB table whose writes say whether their condition held."""

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from boto3.dynamodb.conditions import ConditionBase
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef, UpdateTypeDef

# Attributes of ours that are words of DynamoDB's own are written with a hash.
_PLACEHOLDER = re.compile(r"#(\w+)")
# DynamoDB refuses a write at once, without a word on its condition, while another one is going on.
_CONFLICTS = frozenset({"TransactionConflict", "TransactionConflictException"})
_MOST_ATTEMPTS = 8
_FIRST_PAUSE_SECONDS = 0.02


class ConditionalTable:
    """One table.

    Expressions name attributes plainly, but for those that are reserved words: ``#state``,
    ``#size``, ``#lines`` and so on. Writes that collide with another write are tried again. Methods
    raise botocore's ClientError when DynamoDB refuses for another reason than a condition.
    """

    def __init__(self, table: "Table", sleep: Callable[[float], None] = time.sleep) -> None:
        """Work on the given table; ``sleep`` passes the time between attempts."""
        self._table = table
        self._sleep = sleep

    def get(self, key: Mapping[str, str]) -> Mapping[str, Any] | None:
        """Read one item as it is now."""
        return self._table.get_item(Key=key, ConsistentRead=True).get("Item")

    def query(
        self, key: ConditionBase, condition: ConditionBase | None = None
    ) -> Iterator[Mapping[str, Any]]:
        """Read all items of a key condition, as they are now."""
        arguments: dict[str, Any] = {"KeyConditionExpression": key, "ConsistentRead": True}
        if condition is not None:
            arguments["FilterExpression"] = condition
        while True:
            page = self._table.query(**arguments)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def update(
        self,
        key: Mapping[str, str],
        expression: str,
        values: Mapping[str, Any],
        condition: str | ConditionBase | None = None,
    ) -> Mapping[str, Any] | None:
        """Update one item; returns all of it, or None when the condition did not hold."""
        written: list[Mapping[str, Any]] = []
        arguments = _update(key, expression, values, condition)
        held = self._attempt(
            lambda: written.append(
                self._table.update_item(**arguments, ReturnValues="ALL_NEW")["Attributes"]
            )
        )
        return written[0] if held else None

    def put(self, item: Mapping[str, Any]) -> None:
        """Write one item, whatever was there."""
        self._attempt(lambda: self._table.put_item(Item=item))

    def delete(
        self, key: Mapping[str, str], condition: str, values: Mapping[str, Any] | None = None
    ) -> bool:
        """Delete one item; returns whether the condition held."""
        arguments: dict[str, Any] = {"Key": key, "ConditionExpression": condition}
        if values:
            arguments["ExpressionAttributeValues"] = values
        return self._attempt(lambda: self._table.delete_item(**arguments))

    def transact(self, writes: Sequence["TransactWriteItemTypeDef"]) -> bool:
        """Write all or nothing; returns whether all conditions held."""
        client = self._table.meta.client
        return self._attempt(lambda: client.transact_write_items(TransactItems=writes))

    def putting(self, item: Mapping[str, Any], condition: str) -> "TransactWriteItemTypeDef":
        """Make the part of a transaction that puts an item."""
        return {
            "Put": {
                "TableName": self._table.name,
                "Item": item,
                "ConditionExpression": condition,
            }
        }

    def updating(
        self,
        key: Mapping[str, str],
        expression: str,
        values: Mapping[str, Any],
        condition: str | None = None,
    ) -> "TransactWriteItemTypeDef":
        """Make the part of a transaction that updates an item."""
        update = _update(key, expression, values, condition)
        return {"Update": cast("UpdateTypeDef", {"TableName": self._table.name, **update})}

    def _attempt(self, write: Callable[[], object]) -> bool:
        for attempt in range(_MOST_ATTEMPTS):
            try:
                write()
            except ClientError as error:
                reasons = _reasons(error)
                if "ConditionalCheckFailed" in reasons:
                    return False
                if attempt + 1 == _MOST_ATTEMPTS or not reasons & _CONFLICTS:
                    raise
                self._sleep(random.uniform(0, _FIRST_PAUSE_SECONDS * 2**attempt))
            else:
                break
        return True


def _update(
    key: Mapping[str, str],
    expression: str,
    values: Mapping[str, Any],
    condition: str | ConditionBase | None,
) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "Key": key,
        "UpdateExpression": expression,
        "ExpressionAttributeValues": values,
    }
    written = f"{expression} {condition if isinstance(condition, str) else ''}"
    names = {f"#{name}": name for name in _PLACEHOLDER.findall(written)}
    if names:
        arguments["ExpressionAttributeNames"] = names
    if condition is not None:
        arguments["ConditionExpression"] = condition
    return arguments


def _reasons(error: ClientError) -> set[str]:
    code = error.response["Error"]["Code"]
    if code == "TransactionCanceledException":
        reasons = error.response.get("CancellationReasons", [])
        return {str(each.get("Code")) for each in reasons}
    return {code.removesuffix("Exception")} | {code}

"""A DynamoDB table whose writes say whether their condition held."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from boto3.dynamodb.conditions import ConditionBase
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef, UpdateTypeDef

# Words that DynamoDB keeps for itself and that are attributes of ours.
_RESERVED = ("state", "size")


class ConditionalTable:
    """One table.

    Expressions name attributes plainly, but for ``#state`` and ``#size``. Methods raise botocore's
    ClientError when DynamoDB refuses for another reason than a condition.
    """

    def __init__(self, table: "Table") -> None:
        """Work on the given table."""
        self._table = table

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
        held = _attempt(
            lambda: written.append(
                self._table.update_item(**arguments, ReturnValues="ALL_NEW")["Attributes"]
            )
        )
        return written[0] if held else None

    def delete(self, key: Mapping[str, str], condition: str, values: Mapping[str, Any]) -> bool:
        """Delete one item; returns whether the condition held."""
        return _attempt(
            lambda: self._table.delete_item(
                Key=key, ConditionExpression=condition, ExpressionAttributeValues=values
            )
        )

    def transact(self, writes: Sequence["TransactWriteItemTypeDef"]) -> bool:
        """Write all or nothing; returns whether all conditions held."""
        return _attempt(lambda: self._table.meta.client.transact_write_items(TransactItems=writes))

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

    def deleting(
        self, key: Mapping[str, str], condition: str, values: Mapping[str, Any]
    ) -> "TransactWriteItemTypeDef":
        """Make the part of a transaction that deletes an item."""
        return {
            "Delete": {
                "TableName": self._table.name,
                "Key": key,
                "ConditionExpression": condition,
                "ExpressionAttributeValues": values,
            }
        }


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
    names = {f"#{name}": name for name in _RESERVED if f"#{name}" in expression}
    if names:
        arguments["ExpressionAttributeNames"] = names
    if condition is not None:
        arguments["ConditionExpression"] = condition
    return arguments


def _attempt(write: Callable[[], object]) -> bool:
    try:
        write()
    except ClientError as error:
        if not _refused(error):
            raise
        return False
    return True


def _refused(error: ClientError) -> bool:
    code = error.response["Error"]["Code"]
    if code != "TransactionCanceledException":
        return code == "ConditionalCheckFailedException"
    reasons = {each.get("Code") for each in error.response.get("CancellationReasons", [])}
    return "ConditionalCheckFailed" in reasons

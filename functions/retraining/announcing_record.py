"""Remembers which parts of an announcement were made, so that a second attempt makes the rest."""

from typing import TYPE_CHECKING, Final

from retraining.conditional_table import ConditionalTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

PARTITION: Final = "ANNOUNCED"


class AnnouncingRecord:
    """One item per end of an execution. Methods raise botocore's errors when DynamoDB refuses."""

    def __init__(self, table: "Table") -> None:
        """Work on the ledger's table."""
        self._table = ConditionalTable(table)

    def made(self, identity: str) -> frozenset[str]:
        """Tell which parts were made for this end of an execution."""
        found = self._table.get(_key(identity)) or {}
        return frozenset(str(each) for each in found.get("parts", ()))

    def note(self, identity: str, part: str) -> None:
        """Remember that a part was made."""
        self._table.update(_key(identity), "ADD parts :part", {":part": {part}})


def _key(identity: str) -> dict[str, str]:
    return {"pk": PARTITION, "sk": identity}

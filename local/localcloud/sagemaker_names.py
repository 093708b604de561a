"""Amazon resource names of SageMaker resources."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.context import CloudContext


@dataclass(frozen=True)
class ArnMaker:
    """Makes ARNs for one account and region."""

    region: str
    account_id: str

    @classmethod
    def of(cls, context: CloudContext) -> ArnMaker:
        """Return the maker for ``context``'s account and region."""
        return cls(context.region, context.account_id)

    def make(self, kind: str, name: str) -> str:
        """Return e.g. ``arn:aws:sagemaker:us-east-1:123456789012:endpoint/<name>``."""
        return f"arn:aws:sagemaker:{self.region}:{self.account_id}:{kind}/{name}"


def name_of(name_or_arn: str) -> str:
    """Return the part of an ARN after its kind (``group/3`` of a package); a name as it is."""
    if not name_or_arn.startswith("arn:"):
        return name_or_arn
    return name_or_arn.split(":", 5)[5].partition("/")[2]

"""CloudFormation resource types that watch costs: budgets."""

from __future__ import annotations

from localcloud.cloudformation import Created, Order, ResourceType


def _create_budget(order: Order) -> Created:
    budget = {"BudgetName": order.generated_name, **order.properties["Budget"]}
    order.call(
        "budgets",
        "CreateBudget",
        AccountId=order.context.account_id,
        Budget=budget,
        NotificationsWithSubscribers=order.properties.get("NotificationsWithSubscribers", []),
    )
    return Created(str(budget["BudgetName"]))


TYPES = (
    ResourceType(
        "AWS::Budgets::Budget",
        frozenset({"Budget", "NotificationsWithSubscribers"}),
        _create_budget,
    ),
)

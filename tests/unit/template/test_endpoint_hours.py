"""The endpoint's hours in the template: when Deploy is woken, and who may wake it."""

import re
from typing import Any

import pytest

from retraining.opening_hours import OpeningHours


def resolved(value: Any, references: dict[str, str]) -> Any:  # noqa: ANN401
    """Do what CloudFormation does with Ref, Select, Split and Sub."""
    if isinstance(value, list):
        return [resolved(item, references) for item in value]
    if not isinstance(value, dict):
        return value
    ((name, given),) = value.items()
    if name == "Ref":
        return references[given]
    if name == "Fn::Select":
        index, items = resolved(given, references)
        return items[int(index)]
    if name == "Fn::Split":
        separator, text = resolved(given, references)
        return text.split(separator)
    assert name == "Fn::Sub"
    text, variables = given
    for variable, item in variables.items():
        text = text.replace(f"${{{variable}}}", resolved(item, references))
    return text


@pytest.mark.parametrize(
    ("hours", "on", "off"),
    [
        ("MON-FRI 07:00-20:30", "cron(00 07 * * ? *)", "cron(30 20 * * ? *)"),
        ("SAT 00:15-23:59", "cron(15 00 * * ? *)", "cron(59 23 * * ? *)"),
    ],
)
def test_deploy_is_woken_when_the_hours_begin_and_end(
    template: dict[str, Any], hours: str, on: str, off: str
) -> None:
    told = {"EndpointHours": hours, "EndpointTimeZone": "Europe/Berlin"}
    for name, expression in (("EndpointOnSchedule", on), ("EndpointOffSchedule", off)):
        schedule = template["Resources"][name]["Properties"]
        assert resolved(schedule["ScheduleExpression"], told) == expression
        assert resolved(schedule["ScheduleExpressionTimezone"], told) == "Europe/Berlin"
        assert schedule["Target"]["Arn"] == {"Ref": "DeployStateMachine"}
        assert template["Resources"][name]["Condition"] == "HasHours"


@pytest.mark.parametrize("hours", ["", "MON 00:00-23:59", "FRI-MON 09:30-17:00"])
def test_what_the_template_takes_the_functions_understand(
    template: dict[str, Any], hours: str
) -> None:
    assert re.search(template["Parameters"]["EndpointHours"]["AllowedPattern"], hours) is not None
    assert (OpeningHours.parse(hours, "UTC") is None) is (hours == "")

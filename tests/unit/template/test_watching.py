"""Dashboards and alarms watch what is really measured, and their messages can arrive."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from retraining.announcing_events import SOURCE
from retraining.announcing_record import PARTITION
from retraining.ledger_items import LOCK
from retraining.metrics import SERVICE, SHAPES, STACK, Metric, Model

from .conftest import of_type

ROOT = Path(__file__).resolve().parents[3]
NAMESPACE = "OcrRetrain"
# What AWS's own services measure, as their documentation has it.
OF_AWS = {
    "AWS/SQS": (
        {"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"},
        "QueueName",
    ),
    "AWS/States": ({"ExecutionsFailed", "ExecutionsTimedOut"}, "StateMachineArn"),
    "AWS/Lambda": ({"Errors"}, "FunctionName"),
}
OF_ENDPOINTS = {
    "AWS/SageMaker": {
        "Invocations",
        "Invocation4XXErrors",
        "Invocation5XXErrors",
        "InvocationModelErrors",
        "ModelLatency",
        "OverheadLatency",
    },
    "/aws/sagemaker/Endpoints": {"CPUUtilization", "GPUUtilization", "MemoryUtilization"},
}
SEARCH = re.compile(r"SEARCH\('\{([^}]+)\} (.*?)',")


@dataclass(frozen=True)
class Watched:
    """One metric that something in the template looks at; dimension values as text."""

    by: str
    namespace: str
    metric: str
    dimensions: Mapping[str, str]


def alarms(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return of_type(template, "AWS::CloudWatch::Alarm")


def dashboard(template: dict[str, Any]) -> dict[str, Any]:
    text, variables = template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    for name, value in variables.items():
        text = text.replace(f"${{{name}}}", value["Fn::Sub"])
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def watched_by_alarms(template: dict[str, Any]) -> Iterator[Watched]:
    for name, alarm in alarms(template).items():
        stats = [
            each["MetricStat"]["Metric"]
            for each in alarm.get("Metrics", ())
            if "MetricStat" in each
        ]
        for metric in stats or [alarm]:
            dimensions = {each["Name"]: str(each["Value"]) for each in metric["Dimensions"]}
            yield Watched(name, metric["Namespace"], metric["MetricName"], dimensions)


def watched_by_the_dashboard(template: dict[str, Any]) -> Iterator[Watched]:
    for widget in dashboard(template)["widgets"]:
        for row in widget["properties"].get("metrics", ()):
            texts = [each for each in row if isinstance(each, str)]
            if texts:
                pairs = texts[2:]
                dimensions = dict(zip(pairs[::2], pairs[1::2], strict=True))
                yield Watched(widget["properties"]["title"], texts[0], texts[1], dimensions)


def watched_by_searches(template: dict[str, Any]) -> Iterator[Watched]:
    text = json.dumps(dashboard(template)).replace('\\"', '"')
    for schema, filters in SEARCH.findall(text):
        namespace, *names = schema.split(",")
        given = dict(re.findall(r'(\w+)="([^"]*)"', filters))
        metric = given.pop("MetricName")
        yield Watched("search", namespace, metric, {name: given.get(name, "*") for name in names})


def everything(template: dict[str, Any]) -> list[Watched]:
    return [
        *watched_by_alarms(template),
        *watched_by_the_dashboard(template),
        *watched_by_searches(template),
    ]


def test_every_metric_of_ours_that_is_watched_is_written_with_these_dimensions(
    template: dict[str, Any],
) -> None:
    ours = [each for each in everything(template) if each.namespace == NAMESPACE]
    for each in ours:
        shape = SHAPES[Metric(each.metric)]
        assert frozenset(each.dimensions) in shape.all_dimensions, each
        assert each.dimensions[SERVICE] in (shape.service, "*"), each
        assert each.dimensions[STACK] in ("${Prefix}", "{'Ref': 'Prefix'}"), each
        assert each.dimensions.get("Model", "candidate") in set(Model), each
    assert {each.metric for each in ours} == {str(each) for each in Metric}


def test_every_metric_of_aws_that_is_watched_is_one_that_its_service_writes(
    template: dict[str, Any],
) -> None:
    theirs = [each for each in everything(template) if each.namespace != NAMESPACE]
    assert theirs
    for each in theirs:
        if each.namespace in OF_ENDPOINTS:
            assert each.metric in OF_ENDPOINTS[each.namespace], each
            assert set(each.dimensions) == {"EndpointName", "VariantName"}, each
        else:
            names, dimension = OF_AWS[each.namespace]
            assert each.metric in names, each
            assert set(each.dimensions) == {dimension}, each


def test_the_functions_call_themselves_what_their_metrics_are_watched_by(
    template: dict[str, Any],
) -> None:
    common = template["Globals"]["Function"]["Environment"]["Variables"]
    assert common["POWERTOOLS_METRICS_NAMESPACE"] == NAMESPACE
    services = {
        properties["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]: properties["Handler"]
        for properties in of_type(template, "AWS::Serverless::Function").values()
    }
    for shape in SHAPES.values():
        assert services[shape.service] == f"{shape.service}.handler"


def outcomes_of(template: dict[str, Any], metric: str) -> set[str]:
    return {
        each.dimensions["Outcome"]
        for each in watched_by_the_dashboard(template)
        if each.metric == metric
    }


def test_the_dashboard_shows_every_way_in_which_a_run_ends(template: dict[str, Any]) -> None:
    text = (ROOT / "statemachine" / "retrain.asl.yaml").read_text(encoding="utf-8")
    states = yaml.safe_load(text)["States"]
    ends = {name for name, state in states.items() if state["Type"] in ("Succeed", "Fail")}
    assert outcomes_of(template, Metric.RUNS) == ends | {"Timed out", "Aborted"}


def test_the_dashboard_shows_every_way_in_which_a_deployment_ends(template: dict[str, Any]) -> None:
    text = (ROOT / "statemachine" / "deploy.asl.yaml").read_text(encoding="utf-8")
    announced = set(re.findall(r"outcome: (\w+)$", text, re.MULTILINE)) - {"Already"}
    (failure,) = re.findall(r'outcome: "\{% (.*?) %\}"', text)
    announced |= set(re.findall(r"[?:] '([^']+)'", failure))
    assert announced >= {"Serving", "Failed", "Rolled back"}
    assert outcomes_of(template, Metric.DEPLOYMENTS) == announced | {"Timed out", "Aborted"}


def test_the_dashboard_shows_the_errors_of_every_function(template: dict[str, Any]) -> None:
    shown = {
        each.dimensions["FunctionName"]
        for each in watched_by_the_dashboard(template)
        if each.namespace == "AWS/Lambda"
    }
    # A name that a condition may leave out cannot be shown; that function's errors are in Studio.
    functions = of_type(template, "AWS::Serverless::Function")
    always = {name for name in functions if "Condition" not in template["Resources"][name]}
    assert shown == {f"${{{name}}}" for name in always}


def test_no_widget_lies_over_another(template: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for each in dashboard(template)["widgets"]:
        cells = {
            (each["x"] + x, each["y"] + y)
            for x in range(each["width"])
            for y in range(each["height"])
        }
        assert not cells & taken, each["properties"]["title"]
        assert all(x < 24 for x, _ in cells)
        taken |= cells


def test_every_alarm_notifies_the_topic_and_may(template: dict[str, Any]) -> None:
    for name, alarm in alarms(template).items():
        assert alarm["AlarmName"]["Fn::Sub"].startswith("${Prefix}-"), name
        assert alarm["AlarmActions"] == [{"Ref": "Topic"}], name


def test_the_dashboard_shows_every_alarm_that_is_always_there(template: dict[str, Any]) -> None:
    (shown,) = [
        each["properties"]["alarms"]
        for each in dashboard(template)["widgets"]
        if each["type"] == "alarm"
    ]
    always = {name for name in alarms(template) if "Condition" not in template["Resources"][name]}
    assert set(shown) == {f"${{{name}.Arn}}" for name in always}


def test_no_alarm_looks_back_further_than_cloudwatch_lets_it(template: dict[str, Any]) -> None:
    for name, alarm in alarms(template).items():
        periods = [
            each["MetricStat"]["Period"]
            for each in alarm.get("Metrics", ())
            if "MetricStat" in each
        ] or [alarm["Period"]]
        limit = 86_400 if max(periods) < 3_600 else 7 * 86_400
        assert max(periods) * alarm["EvaluationPeriods"] <= limit, name
        assert all(each in (10, 20, 30) or each % 60 == 0 for each in periods), name


def test_messages_of_alarms_can_be_encrypted_and_published(template: dict[str, Any]) -> None:
    key = template["Resources"]["TopicKey"]["Properties"]["KeyPolicy"]["Statement"]
    (use,) = [each for each in key if each["Principal"] == {"Service": "cloudwatch.amazonaws.com"}]
    assert set(use["Action"]) == {"kms:Decrypt", "kms:GenerateDataKey"}
    publish, _ = template["Resources"]["TopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert publish["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert publish["Action"] == "sns:Publish"
    pattern = publish["Condition"]["ArnLike"]["aws:SourceArn"]["Fn::Sub"]
    assert pattern.endswith(":alarm:${Prefix}-*")


def test_a_topic_without_a_key_of_its_own_has_none(template: dict[str, Any]) -> None:
    # With the key of alias/aws/sns no alarm could publish.
    topic = template["Resources"]["Topic"]["Properties"]
    has_key, given, made = topic["KmsMasterKeyId"]["Fn::If"]
    assert (has_key, given) == ("HasKey", {"Ref": "KmsKeyArn"})
    condition, own, otherwise = made["Fn::If"]
    assert condition == template["Resources"]["TopicKey"]["Condition"]
    assert own == {"Fn::GetAtt": ["TopicKey", "Arn"]}
    assert otherwise == {"Ref": "AWS::NoValue"}


def statement(template: dict[str, Any], function: str, sid: str) -> dict[str, Any]:
    (policy,) = template["Resources"][function]["Properties"]["Policies"]
    (found,) = [each for each in policy["Statement"] if each.get("Sid") == sid]
    return dict(found)


def test_the_announcing_function_may_do_only_what_its_code_does(template: dict[str, Any]) -> None:
    put = statement(template, "AnnounceResultFunction", "TellMachines")
    assert put["Condition"] == {"StringEquals": {"events:source": SOURCE}}
    keep = statement(template, "AnnounceResultFunction", "RememberWhatWasTold")
    (keys,) = keep["Condition"].values()
    assert keys == {"dynamodb:LeadingKeys": [PARTITION]}
    look = statement(template, "TakeStockFunction", "FindActiveRun")
    (keys,) = look["Condition"].values()
    assert keys == {"dynamodb:LeadingKeys": [LOCK["pk"]]}


def test_an_alarm_that_undoes_deployments_judges_no_handful_of_requests(
    template: dict[str, Any],
) -> None:
    variables = template["Resources"]["FindApprovedFunction"]["Properties"]["Environment"]
    rollback = re.findall(r"\w+Alarm", str(variables["Variables"]["ROLLBACK_ALARMS"]))
    assert len(rollback) == 3
    for name in rollback:
        (judged,) = (
            each for each in alarms(template)[name]["Metrics"] if each.get("ReturnData", True)
        )
        assert re.fullmatch(r"IF\(invocations >= 20, .+, 0\)", judged["Expression"]), name

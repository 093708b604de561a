"""The definition holds what SageMaker asks of one, and the jobs and functions of the product."""

from __future__ import annotations

import importlib
import re
import typing
from collections import Counter
from itertools import pairwise
from typing import Any

import botocore.session
import pytest
import yaml
from botocore.validate import ParamValidator
from tests.pipelines.conftest import ROOT, read_template
from tests.pipelines.document import needs, own_arguments, parse, references, resolved, steps_of

MODEL = botocore.session.get_session().get_service_model("sagemaker")
OPERATIONS = {"Training": "CreateTrainingJob", "Processing": "CreateProcessingJob"}
ANSWERS = {
    "begin-pipeline-run": ("begin_pipeline_run", "Begun"),
    "unpack-archives": ("retraining.unpacking", "Unpacked"),
    "validate-dataset": ("retraining.validation_report", "Validation"),
    "plan-training": ("retraining.run_plan", "Planned"),
    "judge-candidate": ("retraining.judging", "Judged"),
    "write-report": ("retraining.report.writing", "Written"),
    "register-model": ("retraining.registering", "Registered"),
}
KINDS = {"String": str, "Integer": int, "Boolean": bool}
# https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps.html
EXECUTION_VARIABLES = {"Execution.PipelineExecutionArn"}
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

Definition = dict[str, Any]


def named(definition: Definition) -> dict[str, dict[str, Any]]:
    return {step["Name"]: step for step in steps_of(definition)}


def function_of(step: dict[str, Any]) -> str:
    return str(step["FunctionArn"]).rpartition(":function:ocr-retrain-")[2]


def test_it_trains_evaluates_asks_and_registers(definition: Definition) -> None:
    order = [each["Name"] for each in definition["Steps"]]
    assert order == [
        "Begin",
        "Unpack",
        "Validate",
        "Plan",
        "Train",
        "Evaluate",
        "Judge",
        "Report",
        "IsTheCandidateBetter",
    ]
    branches = definition["Steps"][-1]["Arguments"]
    assert [each["Name"] for each in branches["IfSteps"]] == ["Register"]
    assert [each["Name"] for each in branches["ElseSteps"]] == ["RegisterAsRejected"]


def test_its_frame_is_what_sagemaker_takes(definition: Definition) -> None:
    assert definition["Version"] == "2020-12-01"
    assert definition["Parameters"] == [{"Name": "Datasets", "Type": "String", "DefaultValue": ""}]
    names = Counter(step["Name"] for step in steps_of(definition))
    assert set(names.values()) == {1}
    assert all(NAME.fullmatch(name) for name in names)
    limits = MODEL.shape_for("PipelineDefinition").metadata
    assert len(str(definition)) < limits["max"]


def test_no_condition_is_inside_another(definition: Definition) -> None:
    for step in definition["Steps"]:
        if step["Type"] == "Condition":
            inside = step["Arguments"]["IfSteps"] + step["Arguments"]["ElseSteps"]
            assert not [each for each in inside if each["Type"] == "Condition"]


def test_every_step_waits_only_for_earlier_ones(definition: Definition) -> None:
    before: set[str] = set()
    for step in steps_of(definition):
        assert needs(step) <= before, step["Name"]
        before.add(step["Name"])
    *chain, last = definition["Steps"]
    for earlier, later in pairwise(chain):
        assert earlier["Name"] in needs(later), f"{later['Name']} does not wait"
    assert "Judge" in needs(last)


def test_everything_that_is_asked_for_is_there(definition: Definition) -> None:
    steps = named(definition)
    declared = {f"Parameters.{each['Name']}" for each in definition["Parameters"]}
    asked = {each for step in steps.values() for each in references(own_arguments(step))}
    for reference in asked - declared - EXECUTION_VARIABLES:
        name, output, path = parse(reference)
        step = steps[name]
        if output:
            assert output in {each["OutputName"] for each in step["OutputParameters"]}, reference
            continue
        shape = MODEL.operation_model(OPERATIONS[step["Type"]].replace("Create", "Describe"))
        found: Any = shape.output_shape
        for member in path.split("."):
            found = found.members[member]
        assert found.type_name == "string", reference


@pytest.mark.parametrize("name", ["Train", "Evaluate"])
def test_what_a_job_is_asked_for_has_the_shape_of_the_api(
    definition: Definition, name: str
) -> None:
    step = named(definition)[name]
    request = resolved(step["Arguments"], lambda _: "s3://bucket/known-in-an-execution")
    shape = MODEL.operation_model(OPERATIONS[step["Type"]]).input_shape
    faults = ParamValidator().validate(request, shape)
    assert not faults.has_errors(), faults.generate_report()


def test_the_jobs_are_those_of_the_state_machine(definition: Definition) -> None:
    text = (ROOT / "statemachine" / "retrain.asl.yaml").read_text(encoding="utf-8")
    states = yaml.safe_load(text)["States"]
    training = yaml.safe_dump(
        [state for name, state in states.items() if "training" in name or "Fine" in name],
        width=10_000,
    )
    evaluation = yaml.safe_dump(states["Evaluate candidate and champion"], width=10_000)
    for name, of_the_machine in (("Train", training), ("Evaluate", evaluation)):
        request = named(definition)[name]["Arguments"]
        told = yaml.safe_dump(request, width=10_000)
        keys = re.compile(r"(?:Regex|ChannelName|LocalPath|InputName|OutputName): (.+)")
        mine, theirs = set(keys.findall(told)), set(keys.findall(of_the_machine))
        # What the state machine writes as an expression is no YAML of its own.
        assert theirs <= mine
        for each in mine - theirs:
            assert each.strip("'\"") in of_the_machine
        for part in request:
            assert part in of_the_machine or part in {"TrainingJobName"}, part
        assert request.get("EnableNetworkIsolation") or request["NetworkConfig"]


def test_the_hyperparameters_of_the_stack_go_along(definition: Definition) -> None:
    given = named(definition)["Train"]["Arguments"]["HyperParameters"]
    assert given["epochs"] == "5"
    assert given["recipe"] == "head"
    assert set(given) == {"epochs", "recipe", "run_id", "parent_package_arn", "dataset_ids"}


def test_jobs_have_names_that_the_role_may_use(definition: Definition) -> None:
    for name, key in (("Train", "TrainingJobName"), ("Evaluate", "ProcessingJobName")):
        assert named(definition)[name]["Arguments"][key].startswith("ocr-retrain-pipeline-")


def test_every_function_is_one_of_the_stack_and_may_be_called(definition: Definition) -> None:
    template = read_template()["Resources"]
    functions = {
        each["Properties"]["FunctionName"]["Fn::Sub"].removeprefix("${Prefix}-"): name
        for name, each in template.items()
        if each["Type"] == "AWS::Serverless::Function"
    }
    called = {function_of(step) for step in steps_of(definition) if step["Type"] == "Lambda"}
    assert called == set(ANSWERS)
    (policy,) = template["PipelineRole"]["Properties"]["Policies"]
    statements = {each["Sid"]: each for each in policy["PolicyDocument"]["Statement"]}
    allowed = {str(each["Fn::GetAtt"]) for each in statements["CallSteps"]["Resource"]}
    names = {str([functions[name], "Arn"]) for name in called}
    assert {each.replace("'", "") for each in allowed} == {each.replace("'", "") for each in names}


def test_every_output_is_one_of_the_functions_answer_and_of_its_kind(
    definition: Definition,
) -> None:
    for step in steps_of(definition):
        if step["Type"] != "Lambda":
            continue
        source = (ROOT / "functions" / f"{function_of(step).replace('-', '_')}.py").read_text()
        module, answer = ANSWERS[function_of(step)]
        assert f"-> {answer}:" in source
        if module == "begin_pipeline_run":
            # Its module asks for an environment when it is imported.
            assert all(f"    {each['OutputName']}: str" in source for each in outputs_of(step))
            continue
        kinds = typing.get_type_hints(getattr(importlib.import_module(module), answer))
        for output in outputs_of(step):
            assert kinds[output["OutputName"]] is KINDS[output["OutputType"]]


def outputs_of(step: dict[str, Any]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = step["OutputParameters"]
    return found


def test_a_pipeline_and_its_stack_compare_the_same_words() -> None:
    template = read_template()
    environment = template["Resources"]["BeginPipelineRunFunction"]["Properties"]["Environment"]
    said = environment["Variables"]["PIPELINE_MADE_FROM"]
    assert said == template["Outputs"]["PipelineMadeFrom"]["Value"]
    source = (ROOT / "pipelines" / "stack.py").read_text(encoding="utf-8")
    used = set(re.findall(r'parameters\["(\w+)"\]', source))
    assert set(re.findall(r"\$\{(\w+)\}", said["Fn::Sub"])) == used

"""Does everything in the templates that names something lead somewhere, and is everything used?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tools.lint_state_machines import state_machines, substitution_problems
from tools.prove import sources
from tools.prove.proof import Proof, proof
from tools.prove.resolved import Resolver, UnresolvedError

AREA = "Template"
FILES = ("template.yaml", "images.yaml")
_VARIABLE = re.compile(r"\$\{([^!}]+)\}")


def proofs() -> list[Proof]:
    """Return what both templates and the definitions prove."""
    return [_resolved(), _used(), _substitutions()]


def _resolved() -> Proof:
    problems, checks = [], 0
    for name in FILES:
        template = sources.read(name)
        known = {*template.get("Parameters", {}), *template["Resources"]}
        if name == "template.yaml":
            # Roles, rules and permissions that SAM makes can be named, too.
            known |= set(sources.transformed()["Resources"])
        for path, target in references(template):
            checks += 1
            if target.startswith("AWS::") or target in known:
                continue
            problems.append(f"{name}, {path}: {target} is neither a parameter nor a resource")
    for resolver in sources.variants():
        problems += _evaluated(resolver)
    problems += _evaluated(Resolver(sources.read("images.yaml"), {}))
    how = "every Ref, GetAtt and Sub followed; the SAM-transformed template evaluated"
    return proof(AREA, "every reference leads somewhere", how, checks, problems)


def _evaluated(resolver: Resolver) -> Iterator[str]:
    try:
        resolver.resources()
        for name, output in resolver.template.get("Outputs", {}).items():
            if "Condition" not in output or resolver.condition(output["Condition"]):
                resolver.value({name: output["Value"]})
    except UnresolvedError as error:
        yield str(error)


def _used() -> Proof:
    problems, checks = [], 0
    for name in FILES:
        template = sources.read(name)
        targets = {target for _, target in references(template)}
        conditions = set(_condition_names(template))
        for parameter in template.get("Parameters", {}):
            checks += 1
            if parameter not in targets:
                problems.append(f"{name}: the parameter {parameter} is never used; remove it")
        for condition in template.get("Conditions", {}):
            checks += 1
            if condition not in conditions:
                problems.append(f"{name}: the condition {condition} is never used; remove it")
        shown = {
            parameter
            for group in _parameter_groups(template)
            for parameter in group.get("Parameters", [])
        }
        if shown:
            problems += [
                f"{name}: no group of the console's form shows {parameter}"
                for parameter in sorted(set(template["Parameters"]) - shown)
            ]
    how = "references from Resources, Rules, Conditions, Outputs"
    return proof(AREA, "every parameter and condition is used", how, checks, problems)


def _parameter_groups(template: Mapping[str, Any]) -> list[dict[str, Any]]:
    shown = template.get("Metadata", {}).get("AWS::CloudFormation::Interface", {})
    groups: list[dict[str, Any]] = shown.get("ParameterGroups", [])
    return groups


def _substitutions() -> Proof:
    problems, checks = [], 0
    for logical_id, properties in state_machines(sources.read("template.yaml")):
        text = (sources.ROOT / properties["DefinitionUri"]).read_text(encoding="utf-8")
        substitutions = properties.get("DefinitionSubstitutions", {})
        checks += len(substitutions)
        problems += [f"{logical_id}: {each}" for each in substitution_problems(text, substitutions)]
    how = "names in statemachine/*.yaml against DefinitionSubstitutions"
    return proof(AREA, "every substitution is used and given", how, checks, problems)


def references(template: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield where and what every Ref, GetAtt and Sub of a template names."""
    for section, content in template.items():
        if section not in ("Parameters", "Metadata"):
            yield from _references(content, section)


def _references(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _references(item, f"{path}.{number}")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key == "Ref" or key == "Fn::GetAtt" or key == "Fn::Sub":
                yield from ((path, target) for target in _targets(key, item))
            else:
                yield from _references(item, f"{path}.{key}")
        if isinstance(value.get("Fn::Sub"), list):
            yield from _references(value["Fn::Sub"][1], path)


def _targets(function: str, given: Any) -> Iterator[str]:  # noqa: ANN401 - any function's argument
    if function == "Ref":
        yield given
    elif function == "Fn::GetAtt":
        yield given.partition(".")[0] if isinstance(given, str) else given[0]
    else:
        text, own = (given, {}) if isinstance(given, str) else (given[0], given[1])
        for name in _VARIABLE.findall(text):
            if name not in own:
                yield name.partition(".")[0]


def _condition_names(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _condition_names(item)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key == "Condition" and isinstance(item, str):
                yield item
            elif key == "Fn::If":
                yield item[0]
                yield from _condition_names(item[1:])
            else:
                yield from _condition_names(item)

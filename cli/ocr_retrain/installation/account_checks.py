"""Whether an account is ready for the stack: what is there, what is in the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from botocore.exceptions import ClientError

from ocr_retrain.installation.account import Account, error_code, error_message, is_gone
from ocr_retrain.installation.findings import Finding, fine, notice, problem
from ocr_retrain.installation.images import find_image, repository_name
from ocr_retrain.installation.names import existing_log_groups, log_group_names
from ocr_retrain.installation.parameters import Parameters
from ocr_retrain.installation.quotas import check_quotas
from ocr_retrain.installation.sources import Image, read_sources
from ocr_retrain.installation.stacks import DEAD, DeployedStack
from ocr_retrain.repository import Repository

_SCALING_ROLE = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
_SCALING_SERVICE = "sagemaker.application-autoscaling.amazonaws.com"


def check_account(
    account: Account,
    repository: Repository,
    parameters: Parameters,
    application: DeployedStack | None,
    images: DeployedStack | None,
    stack: str,
) -> list[Finding]:
    """Look at everything that a first deployment trips over, in the order of repair."""
    checks: list[tuple[str, Callable[[], Sequence[Finding]]]] = [
        ("region", lambda: [_check_region(account)]),
        ("stack", lambda: [_check_stack(application, stack)]),
        ("names", lambda: _check_names(account, repository, parameters, application, stack)),
        ("repositories", lambda: _check_repositories(account, parameters, images)),
        ("quotas", lambda: check_quotas(account, parameters.application)),
        ("instances", lambda: _check_offerings(account, parameters)),
        ("scaling role", lambda: _check_scaling_role(account, parameters)),
        ("images", lambda: _check_images(account, repository, parameters)),
    ]
    findings: list[Finding] = []
    for subject, check in checks:
        try:
            findings += check()
        except ClientError as error:
            findings.append(_could_not_look(subject, error))
    return findings


def _could_not_look(subject: str, error: ClientError) -> Finding:
    return notice(
        subject,
        f"{error.operation_name} was refused ({error_code(error)}: {error_message(error)}).",
        "Use credentials that may look, or go on without this check.",
    )


def _check_region(account: Account) -> Finding:
    partition = account.session.get_partition_for_region(account.region)
    known = account.session.get_available_regions("sagemaker", partition_name=partition)
    if account.region in known:
        return fine("region", f"{account.region} has SageMaker.")
    return problem(
        "region",
        f"{account.region} has no SageMaker that this version of boto3 knows.",
        "Set AWS_DEFAULT_REGION to one that has, for example us-east-1.",
    )


def _check_stack(application: DeployedStack | None, stack: str) -> Finding:
    if application is None:
        return fine("stack", f"{stack} is not deployed yet.")
    if application.status in DEAD:
        return problem(
            "stack",
            f"{stack} was left as {application.status} and can only be removed.",
            f"aws cloudformation delete-stack --stack-name {stack}",
        )
    if application.status == "UPDATE_ROLLBACK_FAILED":
        return problem(
            "stack",
            f"{stack} is {application.status}.",
            f"aws cloudformation continue-update-rollback --stack-name {stack}",
        )
    return fine("stack", f"{stack} is {application.status}.")


def _check_names(
    account: Account,
    repository: Repository,
    parameters: Parameters,
    application: DeployedStack | None,
    stack: str,
) -> list[Finding]:
    """Find what an earlier stack has left, and a new one would collide with."""
    if application is not None and application.is_deployed:
        return []
    prefix = parameters.prefix
    fix = f"Run `ocr-retrain destroy --stack {stack} --prefix {prefix} --delete-data`, or choose "
    fix += "another name with --parameter Prefix=NAME."
    left = []
    if _has_group(account, prefix):
        left.append(f"the model package group {prefix}")
    groups = existing_log_groups(account, log_group_names(repository, prefix))
    if groups:
        left.append(f"{len(groups)} log groups, such as {groups[0]}")
    if left:
        return [problem("names", f"An earlier stack has left {' and '.join(left)}.", fix)]
    return [fine("names", f"nothing is left of an earlier stack with the Prefix {prefix}.")]


def _check_repositories(
    account: Account, parameters: Parameters, images: DeployedStack | None
) -> list[Finding]:
    """Find repositories that were made by hand, which the images' stack cannot make again."""
    if images is not None:
        return []
    wanted = [image for image in Image if not parameters.given_uri(image)]
    names = {repository_name(parameters.prefix, image) for image in wanted}
    pages = account.ecr.get_paginator("describe_repositories").paginate()
    present = {item["repositoryName"] for page in pages for item in page["repositories"]}
    return [
        problem(
            "repositories",
            f"{name} exists, but was not made by `ocr-retrain images build`.",
            "Name your own images (--parameter TrainingImageUri=... and InferenceImageUri=...), or "
            f"remove it with all its images: aws ecr delete-repository --force "
            f"--repository-name {name}",
        )
        for name in sorted(names & present)
    ]


def _has_group(account: Account, name: str) -> bool:
    try:
        account.sagemaker.describe_model_package_group(ModelPackageGroupName=name)
    except ClientError as error:
        if is_gone(error):
            return False
        raise
    return True


def _check_offerings(account: Account, parameters: Parameters) -> list[Finding]:
    """Ask EC2, since SageMaker has no such question: what EC2 lacks, SageMaker lacks as well."""
    wanted = {
        parameters.application[name]
        for name in ("TrainingInstanceType", "EvaluationInstanceType", "EndpointInstanceType")
    }
    plain = {name.removeprefix("ml."): name for name in sorted(wanted)}
    pages = account.ec2.get_paginator("describe_instance_type_offerings").paginate(
        LocationType="region", Filters=[{"Name": "instance-type", "Values": list(plain)}]
    )
    offered = {
        item.get("InstanceType", "") for page in pages for item in page["InstanceTypeOfferings"]
    }
    lacking = [name for kind, name in plain.items() if kind not in offered]
    if lacking:
        return [
            notice(
                "instances",
                f"EC2 offers no {', '.join(lacking)} in {account.region}.",
                "If SageMaker refuses it too, choose another type with --parameter.",
            )
        ]
    return [fine("instances", f"{account.region} offers {', '.join(sorted(wanted))}.")]


def _check_scaling_role(account: Account, parameters: Parameters) -> list[Finding]:
    if parameters.application["EndpointMaxInstanceCount"] == "0":
        return []
    try:
        account.iam.get_role(RoleName=_SCALING_ROLE)
    except ClientError as error:
        if not is_gone(error):
            raise
        return [
            notice(
                "scaling role",
                f"{_SCALING_ROLE} does not exist; the stack makes it when it first scales.",
                "Where that is forbidden: aws iam create-service-linked-role "
                f"--aws-service-name {_SCALING_SERVICE}",
            )
        ]
    return [fine("scaling role", f"{_SCALING_ROLE} exists.")]


def _check_images(
    account: Account, repository: Repository, parameters: Parameters
) -> list[Finding]:
    findings = []
    for image in Image:
        subject = f"{image} image"
        if given := parameters.given_uri(image):
            findings.append(fine(subject, f"{given}, as given."))
            continue
        sources = read_sources(repository.root, image, parameters.device)
        found = find_image(account.ecr, parameters.prefix, sources)
        if found is None:
            findings.append(
                notice(
                    subject,
                    f"{sources.tag}, for these sources, is not built.",
                    "`ocr-retrain deploy` builds it, or do it alone: `ocr-retrain images build`.",
                )
            )
        else:
            findings.append(fine(subject, found.uri))
    return findings

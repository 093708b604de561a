"""The names that a stack gives to things, to find what is left when it is gone."""

from __future__ import annotations

import re
from collections.abc import Iterable

from localcloud.sam_template import read_template
from ocr_retrain.installation.account import Account
from ocr_retrain.installation.parameters import IMAGES_TEMPLATE, TEMPLATE
from ocr_retrain.repository import Repository

_LOG_GROUP = "AWS::Logs::LogGroup"
_RUN = r"\d{8}-\d{6}-[0-9a-f]{6}"
_GENERATED = r"[a-zA-Z0-9]{12,13}"


def log_group_names(repository: Repository, prefix: str) -> list[str]:
    """Return the names of all log groups that the stacks of ``prefix`` create.

    Names that only begin with the prefix may belong to another stack, whose prefix is longer.
    """
    names = []
    for template in (TEMPLATE, IMAGES_TEMPLATE):
        for resource in read_template(repository.root / template)["Resources"].values():
            if resource["Type"] == _LOG_GROUP:
                pattern = resource["Properties"]["LogGroupName"]["Fn::Sub"]
                names.append(str(pattern).replace("${Prefix}", prefix))
    return names


def existing_log_groups(account: Account, names: Iterable[str]) -> list[str]:
    """Return which of these log groups exist."""
    wanted = set(names)
    starts = {name[: name.rindex("/") + 1] for name in wanted}
    paginator = account.logs.get_paginator("describe_log_groups")
    found = [
        group.get("logGroupName", "")
        for start in sorted(starts)
        for page in paginator.paginate(logGroupNamePrefix=start)
        for group in page["logGroups"]
    ]
    return sorted(wanted & set(found))


def is_job_of(prefix: str, name: str) -> bool:
    """Tell whether a job belongs to a run, the pipeline or a transcription of this prefix."""
    begun_by, kinds = rf"({_RUN}|pipeline)", "train|evaluate|transcribe"
    return re.fullmatch(rf"{re.escape(prefix)}-{begun_by}-({kinds})-.+", name) is not None


def is_bucket_of(stack: str, name: str) -> bool:
    """Tell whether CloudFormation named this bucket for the stack's ``Bucket``."""
    return re.fullmatch(rf"{re.escape(stack.lower())}-bucket-{_GENERATED}", name) is not None


def is_table_of(stack: str, name: str) -> bool:
    """Tell whether CloudFormation named this table for the stack's ``Ledger``."""
    return re.fullmatch(rf"{re.escape(stack)}-Ledger-{_GENERATED}", name) is not None

"""Addresses of AWS's consoles, for people who read a message in a browser. Pure."""

from urllib.parse import quote

_CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


def execution(arn: str) -> str:
    """Give the page of a state machine's execution, or "" where there is none.

    Pages of a pipeline's executions are in Studio, below an address of the domain.
    """
    host, region = _place(arn)
    if not host or ":execution:" not in arn:
        return ""
    return f"https://{host}/states/home?region={region}#/v2/executions/details/{quote(arn, ':-')}"


def s3_object(uri: str, beside_arn: str) -> str:
    """Give the page of an S3 object in the partition and region of that ARN, or ""."""
    host, region = _place(beside_arn)
    bucket, slash, key = uri.removeprefix("s3://").partition("/")
    if not host or not uri.startswith("s3://") or not slash:
        return ""
    return f"https://{host}/s3/object/{quote(bucket)}?region={region}&prefix={quote(key)}"


def state_machine_arn(execution_arn: str) -> str:
    """Tell the ARN of an execution's state machine."""
    head, _, rest = execution_arn.partition(":execution:")
    return f"{head}:stateMachine:{rest.partition(':')[0]}"


def _place(arn: str) -> tuple[str, str]:
    parts = arn.split(":")
    if len(parts) < 6 or parts[0] != "arn":
        return "", ""
    return _CONSOLES.get(parts[1], ""), quote(parts[3])

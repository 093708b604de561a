"""Input channels of training jobs, as SageMaker is asked for them."""

from typing import Any


def training_channel(name: str, uri: Any, kind: str, mode: str = "File") -> dict[str, Any]:  # noqa: ANN401
    """Describe a channel that every instance gets whole.

    ``kind`` is ``S3Prefix`` or ``ManifestFile``, ``mode`` is ``File`` or ``FastFile``; ``uri`` may
    be a value that is known in an execution of a pipeline only.
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Channel.html
    """
    return {
        "ChannelName": name,
        "InputMode": mode,
        "DataSource": {
            "S3DataSource": {
                "S3DataType": kind,
                "S3DataDistributionType": "FullyReplicated",
                "S3Uri": uri,
            }
        },
    }

"""An endpoint that takes its requests from S3 and may be without an instance while there are none.

https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference.html
"""

from typing import Any

from retraining import s3_layout
from retraining.protection import output_key
from retraining.settings import Settings


def async_options(settings: Settings) -> dict[str, Any]:
    """Give the AsyncInferenceConfig of an endpoint configuration, where it is asked for."""
    if not settings.endpoint_async:
        return {}
    output = f"s3://{settings.bucket}/{s3_layout.ASYNC_OUTPUT}"
    topics = {
        "SuccessTopic": settings.async_success_topic_arn,
        "ErrorTopic": settings.async_error_topic_arn,
    }
    told = {name: topic for name, topic in topics.items() if topic}
    return {
        "AsyncInferenceConfig": {
            "ClientConfig": {"MaxConcurrentInvocationsPerInstance": settings.async_concurrency},
            "OutputConfig": {
                "S3OutputPath": output,
                "S3FailurePath": f"s3://{settings.bucket}/{s3_layout.ASYNC_FAILURE}",
                **({"NotificationConfig": told} if told else {}),
                **output_key(settings),
            },
        }
    }

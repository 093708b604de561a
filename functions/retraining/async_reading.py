"""Asks an asynchronous endpoint to read, and waits for its answer in S3."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retraining import s3_layout
from retraining.smoke import BadAnswerError, text_of
from retraining.storage import Bucket

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

# SageMaker writes a failure when the model takes longer than this.
MOST_ANSWER_SECONDS = 60
# With the time of all lines before, still below the function's own.
MOST_WAIT_SECONDS = 180
_LOOK_EVERY_SECONDS = 0.5


@dataclass(frozen=True)
class AsyncEndpointReader:
    """Reads single lines through an asynchronous endpoint."""

    client: "SageMakerRuntimeClient"
    endpoint_name: str
    bucket: Bucket
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def read(self, image: bytes, content_type: str) -> str:
        """Tell the text the endpoint reads on an image of one line ("" for none).

        Raises BadAnswerError when the model failed or its answer cannot be understood, ClientError
        when it was not asked, and TimeoutError when nothing came, as without an instance.
        """
        uri = self.bucket.write_bytes(f"{s3_layout.ASYNC_INPUT}/smoke-{uuid.uuid4().hex}", image)
        asked = self.client.invoke_endpoint_async(
            EndpointName=self.endpoint_name,
            InputLocation=uri,
            ContentType=content_type,
            InvocationTimeoutSeconds=MOST_ANSWER_SECONDS,
        )
        output = self.bucket.key(asked["OutputLocation"])
        failure = self.bucket.key(asked["FailureLocation"])
        begun = self.clock()
        while self.clock() - begun < MOST_WAIT_SECONDS:
            if self.bucket.head(output):
                return text_of(self.bucket.read(output).body)
            if self.bucket.head(failure):
                told = self.bucket.read(failure).body.decode("utf-8", "replace")
                raise BadAnswerError(f"it answered with an error: {told[:300]}")
            self.sleep(_LOOK_EVERY_SECONDS)
        raise TimeoutError(
            f"The asynchronous endpoint {self.endpoint_name} wrote no answer within "
            f"{MOST_WAIT_SECONDS} s."
        )

"""Archives in the bucket as files, so that one of any size can be read without a disk."""

import errno
import io
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from retraining.archive_streams import SourceError
from retraining.storage import Bucket, StoredObject

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# Large, because members lie one after the other and every read is a request.
_BLOCK_BYTES = 8 * 1024**2
_ATTEMPTS = 3
_REPLACED = frozenset({"404", "412", "416", "NoSuchKey", "PreconditionFailed", "InvalidRange"})


class ReplacedError(SourceError):
    """The object is no longer what was to be read."""


def open_stored(bucket: Bucket, stored: StoredObject) -> io.BufferedReader:
    """Open an object for reading; all of it is of one version.

    Reading raises ReplacedError when the object was deleted or replaced, and SourceError when S3
    refuses; neither is an OSError, which the readers of archives would take for damage.
    """
    return io.BufferedReader(_StoredFile(bucket, stored), _BLOCK_BYTES)


class _StoredFile(io.RawIOBase):
    def __init__(self, bucket: Bucket, stored: StoredObject) -> None:
        self._bucket = bucket
        self._stored = stored
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._stored.size}
        position = base[whence] + offset
        if position < 0:
            # As of any other file: zipfile looks before the beginning of very small ones.
            raise OSError(errno.EINVAL, f"there is no place {position} in a file")
        self._position = position
        return position

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), self._stored.size - self._position)
        if wanted <= 0:
            return 0
        data = self._fetch(wanted)
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _fetch(self, wanted: int) -> bytes:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._bucket.read_part(self._stored, self._position, wanted)
            except ClientError as error:
                about = f"{self._bucket.uri(self._stored.key)}: {error}"
                if error.response["Error"]["Code"] in _REPLACED:
                    raise ReplacedError(about) from error
                raise SourceError(about) from error
            except BotoCoreError as error:
                # boto3 asks again when S3 does not answer, but not when an answer breaks off.
                if attempt == _ATTEMPTS:
                    raise SourceError(f"{self._bucket.uri(self._stored.key)}: {error}") from error
        raise AssertionError

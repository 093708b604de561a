"""Looks for uploads that no event has told of: AWS delivers nearly all, and promises none.

The whole of ``incoming/`` is gone through by and by, a bounded part at each call of the schedule.
What that costs is said in docs/ledger.md.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from retraining import s3_layout
from retraining.arrivals import found_upload
from retraining.ledger import Ledger
from retraining.s3_layout import LabelUpload
from retraining.storage import Bucket, Page, StoredObject
from retraining.unpacking import HasTime

# A listing of a thousand keys each.
MOST_LISTINGS = 20


@dataclass(frozen=True)
class Search:
    """Compares what lies in the bucket with what the ledger knows."""

    bucket: Bucket
    ledger: Ledger
    clock: Callable[[], datetime]

    def go_on(self, has_time: HasTime) -> int:
        """Take up where the last call stopped; returns how many uploads were recorded.

        Raises botocore's ClientError when AWS refuses; the next call looks there again.
        """
        before = self.ledger.searched_up_to()
        recorded, last = 0, before
        pages = self.bucket.list_pages(s3_layout.INCOMING, before)
        for _, page in zip(range(MOST_LISTINGS), pages, strict=False):
            for upload, stored in self._unknown(page):
                if not has_time():
                    self.ledger.note_search(before, last, self.clock())
                    return recorded
                recorded += self._record(upload)
                last = stored.key
            last = page.last
        if last != before:
            self.ledger.note_search(before, last, self.clock())
        return recorded

    def _unknown(self, page: Page) -> Iterator[tuple[LabelUpload, StoredObject]]:
        found = [(s3_layout.label_upload(each.key), each) for each in page.objects]
        uploads = [(upload, each) for upload, each in found if upload]
        if not uploads:
            return
        first, last = (
            each.key.removeprefix(s3_layout.INCOMING) for _, each in (uploads[0], uploads[-1])
        )
        known = {
            (each.dataset, each.relative): each.etag
            for each in self.ledger.uploads_between(first, last)
        }
        for upload, each in uploads:
            if known.get((upload.dataset, upload.relative)) != each.etag:
                yield upload, each

    def _record(self, upload: LabelUpload) -> bool:
        # In this order: what is found is later than what is known, whatever happens meanwhile.
        known = self.ledger.upload(upload.dataset, upload.relative)
        found = self.bucket.head(s3_layout.dataset_prefix(upload.dataset) + upload.relative)
        if found is None:
            return False
        return self.ledger.record_found(found_upload(upload, found), known, self.clock())

"""What can go wrong while the demo data is made."""

from ocr_retrain.errors import UserError


class DemoDataError(UserError):
    """The demo data cannot be made; the message says why and what to do."""

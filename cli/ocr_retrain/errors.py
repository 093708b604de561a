"""Problems a person can act on: told in one sentence, without a traceback."""

from ocr_retrain.exits import ExitCode


class UserError(Exception):
    """Something is wrong outside this program; the message says what, and what to do."""

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.ERROR) -> None:
        """Keep the sentence to show and the status the process ends with."""
        super().__init__(message)
        self.exit_code = exit_code

"""Keeps executions that were not started here from working beside the active run."""

from retraining.ledger import Ledger


class NotActiveRunError(Exception):
    """An execution that does not hold the lock: started by hand, redriven, or ended long ago."""


def check_active(ledger: Ledger, run_id: str) -> None:
    """Pass when the run holds the lock.

    Raises NotActiveRunError, which the state machine does not try again.
    """
    lock = ledger.lock()
    if lock and lock.run_id == run_id:
        return
    other = f"run {lock.run_id} is at work" if lock else "the ledger knows no active run"
    raise NotActiveRunError(
        f"{run_id} is not the active run: {other}. Executions that are started or redriven by hand "
        "go no further; `ocr-retrain retry` trains on a dataset again."
    )

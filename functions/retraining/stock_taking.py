"""How long a run has been going on, and how long ago a model was last promoted.

CloudWatch cannot look back further than a week, and Step Functions measures a run when it ends. So
both are measured as ages, again and again.
"""

from datetime import datetime, timedelta

from retraining.ledger import Ledger
from retraining.metrics import Measurement, Metric
from retraining.registry import Registry


def take_stock(ledger: Ledger, registry: Registry, now: datetime) -> list[Measurement]:
    """Measure the ages. The champion's is that of its package; without a champion there is none."""
    lock, champion = ledger.lock(), registry.latest_approved()
    began = datetime.fromisoformat(lock.acquired_at) if lock else now
    values = {Metric.ACTIVE_RUN_MINUTES: _age(began, now, timedelta(minutes=1))}
    if champion:
        values[Metric.DAYS_SINCE_PROMOTION] = _age(champion.created_at, now, timedelta(days=1))
    return [Measurement(values)]


def _age(since: datetime, now: datetime, unit: timedelta) -> float:
    return max(0.0, (now - since) / unit)

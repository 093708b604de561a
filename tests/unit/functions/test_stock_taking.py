"""Ages that alarms watch: of the active run, and of the model that serves."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from retraining import names
from retraining.ledger import Ledger
from retraining.ledger_items import Run
from retraining.metrics import Metric
from retraining.registry import Registry
from retraining.stock_taking import take_stock

from .conftest import MACHINE, NOW, RUN, approved_package, client


@pytest.fixture
def registry(clients: Any) -> Registry:
    found: Registry = clients.registry()
    return found


def test_the_age_of_the_active_run_is_measured_while_it_runs(
    ledger: Ledger, registry: Registry
) -> None:
    ledger.begin_run(Run(RUN, names.execution_arn(MACHINE, RUN), ("meters",), NOW))
    (measured,) = take_stock(ledger, registry, NOW + timedelta(minutes=95))
    assert measured.values == {Metric.ACTIVE_RUN_MINUTES: 95}


def test_no_run_has_no_age(ledger: Ledger, registry: Registry) -> None:
    (measured,) = take_stock(ledger, registry, NOW)
    assert measured.values == {Metric.ACTIVE_RUN_MINUTES: 0}


def test_days_are_counted_from_the_champion_and_not_from_later_rejected_models(
    ledger: Ledger, registry: Registry
) -> None:
    champion = approved_package(version_data="v1")
    approved_package(version_data="v2", status="Rejected")
    about = client("sagemaker").describe_model_package(ModelPackageName=champion)
    (measured,) = take_stock(ledger, registry, about["CreationTime"] + timedelta(days=9, hours=12))
    assert measured.values[Metric.DAYS_SINCE_PROMOTION] == pytest.approx(9.5)


def test_the_handler_publishes_both_ages(
    invoke: Callable[[str, dict[str, Any]], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    approved_package()
    capsys.readouterr()
    invoke("take_stock", {"detail-type": "Scheduled Event", "source": "aws.events"})
    (row,) = [json.loads(row) for row in capsys.readouterr().out.splitlines() if '"_aws"' in row]
    (about,) = row["_aws"]["CloudWatchMetrics"]
    assert sorted(about["Dimensions"][0]) == ["Stack", "service"]
    assert (row["service"], row["Stack"]) == ("take_stock", "ocr-retrain")
    assert row["ActiveRunMinutes"] == [0.0]
    assert 0 <= row["DaysSincePromotion"][0] < 1

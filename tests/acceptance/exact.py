"""What a run's topics must hold: every number computed offline from the raw events, and each event once."""

from datetime import UTC, datetime

from streamgauge.clients.alerts import AlertSubscription
from streamgauge.clients.retrain import RetrainRequests
from streamgauge.schemas.message import DEAD_LETTERS, METRICS
from streamgauge.schemas.monitor import MonitorDefinition
from tests.acceptance.feature_oracle import feature_differences, feature_metrics
from tests.acceptance.outcome import balance, ledgers, records
from tests.acceptance.run import Run
from tests.acceptance.traffic import (
    BASELINE_ROWS,
    CHANGE_US,
    CREDIT,
    Traffic,
    definitions,
)
from tests.core.naive import Naive, differences


class Offline:
    """Every metric of every window, from the raw events."""

    def __init__(self, traffic: Traffic, speed: float) -> None:
        watched = [MonitorDefinition.model_validate(document) for document in definitions(speed)]
        naive = Naive(watched)
        for event in traffic.predictions:
            naive.predict(event)
        for event in traffic.labels:
            naive.label(event)
        self._expected = naive.metrics(rollups=False)
        self._features = feature_metrics(traffic.predictions, BASELINE_ROWS, watched[0].window)

    def differences(self, run: Run) -> list[str]:
        """How what the workers have published so far differs; every record must be final."""
        published = records(run.connection, METRICS)
        return [
            *differences(published, self._expected),
            *feature_differences(published, self._features),
        ]


def assert_complete(run: Run, traffic: Traffic, change_us: int) -> None:
    """Ledgers, dead letters, and what subscribers get, of a run whose windows are all final."""
    connection = run.connection
    total = ledgers(connection)
    balance(total, traffic.sent)
    assert total["late"] == traffic.late
    assert total["dead:orphaned"] == total["orphaned"] == traffic.orphans
    assert len(records(connection, DEAD_LETTERS)) == traffic.orphans

    with AlertSubscription(connection, "pager", start="earliest", stop_at_end=True) as alerts:
        told = list(alerts)
    assert len({alert.event_id for alert in told}) == len(told)
    opened = [alert for alert in told if (alert.state, alert.monitor) == ("opened", "accuracy")]
    assert {alert.model for alert in opened} == {CREDIT}
    [alert] = [alert for alert in opened if (alert.version, alert.segment) == ("7", {})]
    assert (alert.severity, alert.limit) == ("critical", 0.8)
    assert alert.onset is not None
    assert alert.onset >= datetime.fromtimestamp(change_us / 1e6, UTC)
    with RetrainRequests(
        connection, "trainer", start="earliest", stop_at_end=True, include_expired=True
    ) as requests:
        [request] = list(requests)
        requests.check_data(request)
    assert (request.model, request.priority) == (CREDIT, "high")
    assert request.data_offsets


def assert_exact(run: Run, traffic: Traffic) -> None:
    """All windows are final, every number is the one computed offline, and nothing was lost or doubled."""
    assert traffic.sent > 50_000
    assert Offline(traffic, 1.0).differences(run) == []
    assert_complete(run, traffic, CHANGE_US)

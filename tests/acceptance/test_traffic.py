"""The acceptance tests' traffic is as hard as they say, and their oracle notices a single event."""

from collections import Counter

import pytest

from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS
from streamgauge.schemas.monitor import MonitorDefinition
from tests.acceptance.feature_oracle import feature_metrics
from tests.acceptance.senders import values_of
from tests.acceptance.traffic import (
    BASELINE_ROWS,
    CREDIT,
    FLOWERS,
    PRICE,
    ROUTES,
    SECOND_US,
    definitions,
    make_traffic,
)
from tests.core.naive import Naive


def test_fifty_thousand_events_of_three_models_take_every_route() -> None:
    traffic = make_traffic(seed=1)
    taken = Counter[tuple[str, ...]]()
    for parcel in traffic.parcels:
        taken[parcel.topic, parcel.route] += len(parcel.events)
        taken[parcel.topic, parcel.events[0]["model"]] += len(parcel.events)
    assert traffic.sent > 50_000
    for topic in (PREDICTIONS, GROUND_TRUTH):
        assert all(taken[topic, route] > 1_500 for route in ROUTES), taken
        assert all(taken[topic, model] > 5_000 for model in (CREDIT, FLOWERS, PRICE)), taken


@pytest.mark.slow
def test_labels_come_early_late_twice_corrected_and_taken_back() -> None:
    traffic = make_traffic(seed=1)
    predicted = {event["prediction_id"]: event["time"] for event in traffic.predictions}
    lags_s = [(e["time"] - predicted.get(e["prediction_id"], 0)) / SECOND_US for e in traffic.labels]
    labelled = Counter((e["prediction_id"], e.get("revision", 0)) for e in traffic.labels)
    kinds = {
        "early": sum(lag < 0 for lag in lags_s),
        "late": sum(lag > 600 for lag in lags_s),
        "repeated": sum(times > 1 for times in labelled.values()),
        "corrected": sum(e.get("revision") == 1 and not e.get("retracted") for e in traffic.labels),
        "retracted": sum(bool(e.get("retracted")) for e in traffic.labels),
        "reinstated": sum(e.get("revision") == 2 for e in traffic.labels),
        "orphaned": sum(e["prediction_id"] not in predicted for e in traffic.labels),
        "unlabelled": len(predicted.keys() - {e["prediction_id"] for e in traffic.labels}),
        "failed": sum("error" in e for e in traffic.predictions),
        "repeated prediction": len(traffic.predictions)
        - len({(e["prediction_id"], e["version"]) for e in traffic.predictions}),
    }
    assert all(count >= 40 for count in kinds.values()), kinds


def test_the_same_seed_sends_the_same_bytes() -> None:
    once, again = (make_traffic(seed=5, predictions=600) for _ in range(2))
    assert [values_of(parcel) for parcel in once.parcels] == [values_of(parcel) for parcel in again.parcels]


@pytest.mark.slow
def test_the_oracle_notices_one_event_more_or_less() -> None:
    traffic = make_traffic(seed=5, predictions=600)
    watched = [MonitorDefinition.model_validate(document) for document in definitions()]

    def metrics(predictions: int | None, labels: int | None) -> object:
        naive = Naive(watched)
        for event in traffic.predictions[:predictions]:
            naive.predict(event)
        for event in traffic.labels[:labels]:
            naive.label(event)
        return naive.metrics()

    assert len({repr(metrics(*cut)) for cut in ((None, None), (-1, None), (None, -1))}) == 3


def test_features_are_told_from_the_end_of_their_baseline_on() -> None:
    traffic = make_traffic(seed=5, predictions=6_000)
    found = feature_metrics(traffic.predictions, BASELINE_ROWS, 300 * SECOND_US)
    told = sum(
        n for key, (_, n) in found.items() if key[0] == PRICE and key[4:6] == ("missing_rate", "rooms")
    )
    distinct = {event["prediction_id"] for event in traffic.predictions if event["model"] == PRICE}
    assert told == len(distinct) - BASELINE_ROWS

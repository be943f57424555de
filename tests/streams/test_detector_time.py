"""How long detectors take is measured around them, and changes nothing of what they find."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS, Message
from streamgauge.streams.core.partition import CoreSettings, Partition
from streamgauge.streams.telemetry import Telemetry
from tests.core.scenario import SECOND_US, START_US, Feed, define

ROWS = 400


def messages() -> list[Message]:
    feed = Feed()
    events: list[Any] = []
    for n in range(ROWS):
        named = {"prediction_id": f"p{n}", "model": "m", "time": START_US + n * SECOND_US}
        answer = "yes" if n % 3 else "no"
        said = {
            "version": "7",
            "prediction": answer,
            "features": {"age": n % 40},
            "groups": {"sex": "fm"[n % 2]},
        }
        events.append((PREDICTIONS, named | said))
        events.append((GROUND_TRUTH, named | {"label": answer}))
    definition = define("m", task="binary", pos_label="yes", baseline={"first": 200})
    return feed.definitions([definition]) + feed.singles(events)


def test_detectors_are_measured_whichever_they_are_and_find_the_same() -> None:
    called = set()

    def metered(work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        called.add(work.__name__)
        return work(*args, **kwargs)

    plain, measured = Partition(0, CoreSettings()), Partition(0, CoreSettings(meter=metered))
    for partition in (plain, measured):
        partition.apply(messages())
    assert measured.checkpoint() == plain.checkpoint()
    assert {"serve", "judge", "verify", "heed", "compare", "pass_minutes"} <= called


def test_a_restored_partition_is_measured_too() -> None:
    first = Partition(0, CoreSettings())
    first.apply(messages())
    telemetry = Telemetry()
    settings = CoreSettings(meter=telemetry.detecting)
    restored = Partition.restore(
        0, settings, [(k, v) for k, v in first.checkpoint().changes if v is not None]
    )
    assert seconds(telemetry) == 0
    event = (
        b'{"prediction_id":"x","model":"m","version":"7","time":"2026-11-21T10:08:00Z","prediction":"yes"}'
    )
    restored.apply([Message(PREDICTIONS, ROWS, START_US, b"m", event)])
    assert seconds(telemetry) > 0


def test_time_before_an_error_counts() -> None:
    telemetry = Telemetry()
    with pytest.raises(ZeroDivisionError):
        telemetry.detecting(divmod, 1, 0)
    assert seconds(telemetry) > 0


def test_how_late_predictions_are_applied_is_told_of_each_wherever_messages_are_cut() -> None:
    told: list[int] = []
    plain, asked = Partition(0, CoreSettings()), Partition(0, CoreSettings(applied=lambda t: told.extend(t)))
    plain.apply(messages())
    for message in messages():
        asked.apply([message])
    assert sorted(told) == [START_US + n * SECOND_US for n in range(ROWS)]
    assert asked.counts() == plain.counts()


def test_a_lag_counts_in_the_bucket_that_it_does_not_exceed() -> None:
    telemetry = Telemetry()
    now_us = time.time_ns() // 1_000
    telemetry.applied(np.array([now_us - 40_000_000, now_us - 20_000_000, now_us + 60_000_000]))
    buckets = {
        edge: telemetry.registry.get_sample_value("streamgauge_pipeline_lag_seconds_bucket", {"le": edge})
        for edge in ("0.01", "10.0", "30.0", "60.0", "+Inf")
    }
    assert buckets == {"0.01": 1, "10.0": 1, "30.0": 2, "60.0": 3, "+Inf": 3}
    assert telemetry.registry.get_sample_value("streamgauge_pipeline_lag_seconds_count") == 3


def seconds(telemetry: Telemetry) -> float:
    value = telemetry.registry.get_sample_value("streamgauge_detector_seconds_total")
    assert value is not None
    return value

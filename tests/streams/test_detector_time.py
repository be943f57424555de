"""How long detectors take is measured around them, and changes nothing of what they find."""

from collections.abc import Callable
from typing import Any

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
        events.append(
            (PREDICTIONS, named | {"version": "7", "prediction": answer, "features": {"age": n % 40}})
        )
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


def seconds(telemetry: Telemetry) -> float:
    value = telemetry.registry.get_sample_value("streamgauge_detector_seconds_total")
    assert value is not None
    return value

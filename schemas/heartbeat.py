"""What workers tell of a partition among the metrics, in records without a model."""

from streamgauge.schemas.message import METRICS, Output
from streamgauge.schemas.times import format_time

#: The metric of every heartbeat, and that of one more record if there is something to tell: how many messages
#: of new models were refused since the one before, because `max_models` are watched already.
HEARTBEAT, REFUSED_MODELS = "heartbeat", "refused_models"
#: Between two heartbeats of a partition.
EVERY_US = 60_000_000
#: Without one for so long, a partition is not worked on as it should be.
SILENT_US = 3 * EVERY_US


def heartbeat(
    partition: int, before_us: int, now_us: int, software: str, *, metric: str = HEARTBEAT, value: float = 1.0
) -> Output:
    """All inputs of the partition are applied up to `now_us`; `before_us` is that of the heartbeat before.

    >>> beat = heartbeat(3, 1795255140000000, 1795255200000000, "streamgauge/0.1.0")
    >>> beat.record["metric"], beat.record["segment"], beat.record["window"]["end"]
    ('heartbeat', {'partition': '3'}, '2026-11-21T10:00:00.000000Z')
    """
    unset = ("feature", "group", "class", "low", "high", "coverage", "definition_id", "baseline_id")
    record = {
        "model": "",
        "version": "",
        "segment": {"partition": str(partition)},
        "window": {"start": format_time(before_us), "end": format_time(now_us)},
        "metric": metric,
        **dict.fromkeys((*unset, "compared_with", "verdict")),
        "value": value,
        "n": 1,
        "status": "final",
        "revision": 0,
        "software": software,
    }
    return Output(METRICS, b"", record)

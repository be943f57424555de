"""When the clock may reach the core: only where everything up to it has been applied."""

from collections.abc import Iterable, Mapping

from streamgauge.streams.membership import Reach


def tick_time(
    reaches: Mapping[tuple[str, int], Reach],
    applied: Mapping[str, int],
    topics: Iterable[str],
    partition: int,
) -> int | None:
    """Microseconds since the epoch up to which all of `topics` have been applied in `partition`; else None.

    `topics` are the full names of the data inputs, `applied` their last applied offsets. The time is that of
    the older poll. A log may end in transaction markers, which are never delivered; so what counts is that
    the consumer's position has reached the end and that the last delivered record has been applied.

    >>> reach = Reach(position=8, delivered=6, highwater=8, polled_us=1_000)
    >>> tick_time({("p", 0): reach}, {"p": 6}, ["p"], 0), tick_time({("p", 0): reach}, {"p": 5}, ["p"], 0)
    (1000, None)
    """
    polled = []
    for topic in topics:
        reach = reaches.get((topic, partition))
        if reach is None or reach.position < reach.highwater or applied.get(topic, -1) < reach.delivered:
            return None
        polled.append(reach.polled_us)
    return min(polled, default=None)

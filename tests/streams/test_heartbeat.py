"""Heartbeats: once a minute of each partition that is up to date, beside what its core says."""

from streamgauge.schemas.encode import decode_output, encode_output
from streamgauge.schemas.heartbeat import EVERY_US
from streamgauge.schemas.message import METRICS, PREDICTIONS, Message
from streamgauge.streams.core.partition import CoreSettings, Partition
from streamgauge.streams.heartbeat import Beating
from streamgauge.streams.stored import StoredPartition
from streamgauge.streams.worker_checks import heartbeats

START_US = 1_795_255_200_000_000
SECOND_US = 1_000_000
EVENT = b'{"prediction_id":"a","model":"m","time":"2026-11-21T10:00:00Z","prediction":"yes"}'


def beating() -> Beating:
    return Beating(Partition(3, CoreSettings()), 3, "streamgauge/0.1.0")


def told(core: Beating) -> list[str]:
    outputs = core.checkpoint().outputs
    return [o.record["window"]["end"] for o in outputs if o.record.get("metric") == "heartbeat"]


def test_a_partition_tells_once_a_minute_up_to_when_it_has_applied_everything() -> None:
    core = beating()
    core.tick(START_US)
    assert not core.changed, "it never had a message"
    core.apply([Message(PREDICTIONS, 0, START_US, b"m", EVENT)])
    core.checkpoint()
    for second in range(0, 130, 10):
        core.tick(START_US + second * SECOND_US)
    assert core.changed
    assert told(core) == [f"2026-11-21T10:0{minute}:00.000000Z" for minute in range(3)]
    assert not core.changed
    assert told(core) == []
    assert core.counts()["applied"] == 1


def test_after_a_backlog_it_tells_at_once_how_long_nothing_was_told() -> None:
    core = beating()
    core.apply([Message(PREDICTIONS, 0, START_US, b"m", EVENT)])
    core.tick(START_US)
    core.checkpoint()
    core.tick(START_US + 10 * EVERY_US)
    [beat] = [o for o in core.checkpoint().outputs if o.record.get("metric") == "heartbeat"]
    assert beat.topic == METRICS
    for format in ("json", "avro"):
        record = decode_output(*encode_output(beat, format))  # type: ignore[arg-type]
        assert record["window"] == {
            "start": "2026-11-21T10:00:00.000000Z", "end": "2026-11-21T10:10:00.000000Z",
        }  # fmt: skip
        assert (record["model"], record["segment"]) == ("", {"partition": "3"})


def test_the_doctor_names_partitions_that_nobody_told_of_for_three_minutes() -> None:
    used = {b'["applied"]': b""}
    stored = [StoredPartition(number, used if number < 3 else {}, {}) for number in range(4)]
    now_us = START_US + 600 * SECOND_US
    fresh, stale = now_us - 170 * SECOND_US, now_us - 190 * SECOND_US
    assert heartbeats({0: fresh, 1: fresh, 2: fresh}, stored, now_us).status == "ok"
    found = heartbeats({0: fresh, 1: stale}, stored, now_us)
    assert (found.status, found.what[-5:]) == ("warn", " 1, 2")

"""What the tests of the core share: definitions of short windows, events, messages, partitions."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from streamgauge.schemas.control import ControlEvent, Define, encode_control
from streamgauge.schemas.decode import decode_messages
from streamgauge.schemas.encode import (
    encode_ground_truth,
    encode_ground_truth_batch,
    encode_prediction,
    encode_prediction_batch,
)
from streamgauge.schemas.message import (
    CONTROL,
    DEAD_LETTERS,
    GROUND_TRUTH,
    METRICS,
    PREDICTIONS,
    Checkpoint,
    Message,
    Output,
)
from streamgauge.schemas.monitor import Fleet, MonitorDefinition
from streamgauge.schemas.times import parse_time
from streamgauge.streams.core.memory import Memory
from streamgauge.streams.core.partition import CoreSettings, Partition
from streamgauge.streams.core.shelf import DictShelf
from streamgauge.streams.custom_metrics import allowed_metrics

#: A Saturday at ten.
START_US = 1_795_255_200_000_000
SECOND_US = 1_000_000
SHORT = {"window": "1m", "grace": "10s", "lateness": "2m", "labels": {"ttl": "5m", "min_coverage": 0.3}}

#: What definitions may name under `metrics`.
OWN_METRICS = allowed_metrics("river.metrics.FBeta, river.metrics.WeightedF1, river.metrics.SMAPE")

#: (topic, event in its JSON form)
Sent = tuple[str, dict[str, Any]]


def define(model: str, **changes: Any) -> MonitorDefinition:
    """A definition with short windows."""
    return MonitorDefinition.model_validate({"model": model, **SHORT, **changes})


class Feed:
    """Numbers messages as a broker does: an offset a topic."""

    def __init__(self) -> None:
        self._offsets: dict[str, int] = {}

    def message(
        self,
        topic: str,
        value: bytes | Mapping[str, Any],
        timestamp_us: int = START_US,
        key: bytes | None = None,
    ) -> Message:
        offset = self._offsets[topic] = self._offsets.get(topic, -1) + 1
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        return Message(topic, offset, timestamp_us, key, content)

    def control(self, *orders: ControlEvent) -> list[Message]:
        return [self.message(CONTROL, encode_control(order)[0]) for order in orders]

    def definitions(self, definitions: Iterable[MonitorDefinition]) -> list[Message]:
        return self.control(
            *(
                Define(actor="ops", time_us=START_US, model=d.model, document=d.model_dump(mode="json"))
                for d in definitions
            )
        )

    def singles(self, events: Iterable[Sent], format: Any = "json") -> list[Message]:
        """One message an event."""
        encode = {PREDICTIONS: encode_prediction, GROUND_TRUTH: encode_ground_truth}
        return [self.message(topic, encode[topic](event, format)) for topic, event in events]

    def packed(self, events: Iterable[Sent]) -> Iterator[Message]:
        """Neighbours of one topic, model and version in one columnar message."""
        for (topic, _, _), run in groupby(events, _lane):
            rows = Feed().singles(run)
            for batch, _ in decode_messages(topic, rows).batches:
                encode = encode_prediction_batch if topic == PREDICTIONS else encode_ground_truth_batch
                yield self.message(topic, encode(batch))  # type: ignore[operator]


class AskedShelf(DictShelf):
    """Remembers which records it was asked for."""

    def __init__(self, records: Mapping[bytes, bytes]) -> None:
        super().__init__(records)
        self.asked: list[bytes] = []

    def get(self, key: bytes) -> bytes | None:
        self.asked.append(key)
        return super().get(key)


class Run:
    """A partition and everything that it has put out.

    With `most_bytes`, what is beyond them leaves memory at each commit, and is read back.
    """

    def __init__(
        self, fleet: Fleet | None = None, clock: Any = "events", most_bytes: int | None = None
    ) -> None:
        memory = Memory(1 << 40 if most_bytes is None else most_bytes)
        self.settings = CoreSettings(fleet=fleet or Fleet(), clock=clock, metrics=OWN_METRICS, memory=memory)
        self.state: dict[bytes, bytes] = {}
        self.shelf = None if most_bytes is None else AskedShelf(self.state)
        self.partition = Partition(0, self.settings, self.shelf)
        self.outputs: list[Output] = []

    def apply(self, messages: Sequence[Message]) -> "Run":
        self.partition.apply(messages)
        return self

    def commit(self) -> Checkpoint:
        """A checkpoint, kept as a compacted topic keeps it."""
        checkpoint = self.partition.checkpoint()
        for key, value in checkpoint.changes:
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value
        self.outputs += checkpoint.outputs
        if self.shelf is not None:
            self.partition.settled()
        return checkpoint

    def restart(self) -> "Run":
        """As another worker would go on, from what was committed."""
        records = list(self.state.items()) if self.shelf is None else []
        self.partition = Partition.restore(0, self.settings, records, self.shelf)
        return self

    def finish(self) -> "Run":
        self.partition.finish()
        self.commit()
        return self

    def records(self, topic: str, *, rollups: bool = False) -> list[Mapping[str, Any]]:
        """What was put out; metrics of windows only, or with `rollups` of their hours and days too."""
        found = [output.record for output in self.outputs if output.topic == topic]
        if topic != METRICS or rollups:
            return found
        shortest: dict[str, int] = {}
        for record in found:
            model = record["model"]
            shortest[model] = min(shortest.get(model, length_us(record)), length_us(record))
        return [record for record in found if length_us(record) == shortest[record["model"]]]

    def final(self) -> dict[str, Mapping[str, Any]]:
        return final(self.records(METRICS, rollups=True))


def final(metrics: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The record of the highest revision of each metric, by all that names it.

    Left out is what depends on when it was published: the revision, how many labels there were then, and
    classes that were told before a correction took them away.
    """
    latest: dict[str, Mapping[str, Any]] = {}
    for record in metrics:
        names = ("model", "version", "segment", "window", "metric", "feature", "group", "class")
        key = json.dumps([record[name] for name in names], sort_keys=True)
        if key not in latest or latest[key]["revision"] < record["revision"]:
            latest[key] = record
    latest = {key: r for key, r in latest.items() if r["class"] is None or r["n"]}
    return {key: {**record, "revision": None, "coverage": None} for key, record in latest.items()}


def length_us(record: Mapping[str, Any]) -> int:
    """Of the window, hour or day of a metric record."""
    return parse_time(record["window"]["end"]) - parse_time(record["window"]["start"])


def assert_ledgers_balance(run: Run, sent: int) -> None:
    """Every event is in exactly one place of the intake ledger, every applied one in one of the join's."""
    counts = run.partition.counts()
    intake = ("applied", "duplicate", "stale_revision", "late", "dead_lettered")
    assert sum(counts.get(name, 0) for name in intake) == sent, counts
    if "predictions" in counts:
        assert counts["predictions"] == counts["pending"] + counts["labelled"] + counts["expired"], counts
        labels = ("joined", "waiting", "orphaned", "superseded", "retracted")
        assert counts["labels"] == sum(counts[name] for name in labels), counts
        assert counts["applied"] == counts["predictions"] + counts["labels"], counts
    orphans = [r for r in run.records(DEAD_LETTERS) if r["reason"] == "orphaned"]
    assert len(orphans) == counts.get("orphaned", 0)


def _lane(sent: Sent) -> tuple[str, str, str]:
    topic, event = sent
    return topic, event["model"], event.get("version", "")

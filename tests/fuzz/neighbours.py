"""The fuzz target of the core: a poisoned message between two good ones, which apply whatever it does."""

import json

from streamgauge.schemas.decode import decode_messages
from streamgauge.schemas.encode import Headers, encode_output
from streamgauge.schemas.message import (
    CONTROL,
    DATA_INPUTS,
    GROUND_TRUTH,
    INPUTS,
    PREDICTIONS,
    RETRAIN_STATUS,
    Message,
)
from streamgauge.schemas.monitor import Fleet
from streamgauge.streams.core.partition import CoreSettings, Partition
from tests.fuzz.codecs import AVRO_EVENTS, COLUMNS, CONTROLS, JSON_EVENTS, STATUSES, STRUCTURED, Target

_START_US = 1_795_255_200_000_000
_TOGETHER, _CHECKED_EVERY, _AFRESH_EVERY = 16, 512, 2_048
_LEDGER = ("applied", "duplicate", "stale_revision", "late", "dead_lettered")
_SETTINGS = CoreSettings(Fleet(max_models=30))


class Neighbours:
    """Holds the ledger to every message, and now and then what is kept and what is published.

    A poisoned message must not damage the state either: it is written, read and gone on with.
    """

    def __init__(self) -> None:
        self._sent = 0
        self._pending: list[bytes] = []
        self._offsets = dict.fromkeys(INPUTS, -1)
        self._partition = Partition(0, _SETTINGS)
        self._records: dict[bytes, bytes] = {}

    def target(self) -> Target:
        """To be given poison of every input; a first byte says which."""
        corpus = [(PREDICTIONS, e) for e in (*JSON_EVENTS, *AVRO_EVENTS, *COLUMNS)]
        corpus += [(GROUND_TRUTH, e) for e in (*JSON_EVENTS, *AVRO_EVENTS, *COLUMNS)]
        corpus += [(CONTROL, e) for e in CONTROLS] + [(RETRAIN_STATUS, e) for e in STATUSES]
        return Target([bytes([INPUTS.index(topic)]) + sent for topic, sent in corpus], self.run)

    def run(self, sent: bytes) -> None:
        self._pending.append(sent)
        if len(self._pending) == _TOGETHER:
            self._apply(self._pending)
            self._pending = []

    def _apply(self, poison: list[bytes]) -> None:
        """Every poisoned message with a good one before and after it, those of a topic in one run."""
        before, near, good, rows = self._counts(), self._near(), 0, 0
        for topic in DATA_INPUTS:
            bad, run = self._poison(poison, topic), [self._good(topic)]
            for value, headers in bad:
                run += [self._message(topic, value, headers), self._good(topic)]
            self._partition.apply(run)
            good += len(bad) + 1
            read = decode_messages(topic, run[1::2])
            rows += read.refused_rows + sum(len(batch) for batch, _ in read.batches)
        assert self._near() == near + good, f"a neighbour was lost among {poison}"
        assert self._counts() == before + good + rows, f"an event is not accounted for among {poison}"
        for topic in (CONTROL, RETRAIN_STATUS):
            bad = self._poison(poison, topic)
            self._partition.apply([self._message(topic, value, headers) for value, headers in bad])
        self._partition.apply([self._good(PREDICTIONS)])
        assert self._near() == near + good + 1, f"a neighbour was lost after {poison}"
        self._sent += len(poison)
        if self._sent % _CHECKED_EVERY == 0:
            self._check()
        if self._sent % _AFRESH_EVERY == 0:
            self._partition, self._records = Partition(0, _SETTINGS), {}
            self._offsets = dict.fromkeys(INPUTS, -1)

    def _poison(self, sent: list[bytes], topic: str) -> list[tuple[bytes, Headers]]:
        return [
            (each[1:], STRUCTURED if each[:1] > b"\xf0" else ())
            for each in sent
            if INPUTS[each[0] % len(INPUTS) if each else 0] == topic
        ]

    def _check(self) -> None:
        self._partition.tick(self._now_us())
        checkpoint = self._partition.checkpoint()
        for output in checkpoint.outputs:
            encode_output(output, "json")
            encode_output(output, "avro")
        for key, value in checkpoint.changes:
            if value is None:
                self._records.pop(key, None)
            else:
                self._records[key] = value
        counts = dict(self._partition.counts())
        self._partition = Partition.restore(0, _SETTINGS, self._records.items())
        assert dict(self._partition.counts()) == counts | {"dead_lettered": 0}, "state came back otherwise"

    def _good(self, topic: str) -> Message:
        number = self._offsets[topic] + 1
        event = {"prediction_id": f"n{number}", "model": "neighbour", "time": self._now_us()}
        event |= {"prediction": "yes"} if topic == PREDICTIONS else {"label": "no"}
        return self._message(topic, json.dumps(event).encode())

    def _message(self, topic: str, sent: bytes, headers: Headers = ()) -> Message:
        self._offsets[topic] += 1
        return Message(topic, self._offsets[topic], self._now_us(), b"k", sent, headers)

    def _now_us(self) -> int:
        return _START_US + self._sent * 200_000

    def _near(self) -> int:
        model = self._partition.models.get("neighbour")
        return 0 if model is None else model.intake.counts.applied

    def _counts(self) -> int:
        counts = self._partition.counts()
        return sum(counts[name] for name in _LEDGER if name in counts)

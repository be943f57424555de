"""A core that only counts, so that the engine's exactness shows; `python -m tests.counting_core` runs it.

The real core is tested on the same harness elsewhere; here no statistics could hide a lost event.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.message import METRICS, Checkpoint, Message, Output
from streamgauge.streams.settings import WorkerSettings
from streamgauge.streams.worker import WRONG_USE, run_worker

APPLIED = b"\x00applied"


class CountingCore:
    """Per key: messages and the sum of their values. One output a message, which names its origin."""

    def __init__(self, number: int, records: Iterable[tuple[bytes, bytes]], get: object = None) -> None:
        self.number = number
        self.totals: dict[bytes, list[int]] = {}
        self.applied: dict[str, int] = {}
        self.ticked_us = 0
        for key, value in records:
            if key == APPLIED:
                self.applied = json.loads(value)
            else:
                self.totals[key] = json.loads(value)["totals"]
        self._changed: set[bytes] = set()
        self._outputs: list[Output] = []
        self._counts: Counter[str] = Counter()
        self._moved = False

    @property
    def changed(self) -> bool:
        return self._moved

    @property
    def urgent(self) -> bool:
        return any(b"urgent" in output.key for output in self._outputs)

    def apply(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if message.offset <= self.applied.get(message.topic, -1):
                self._counts["skipped"] += 1
                continue
            self.applied[message.topic] = message.offset
            self._moved = True
            if message.value == b"die":
                raise RuntimeError("told to die")
            assert message.key is not None
            assert message.value is not None
            value = json.loads(message.value)
            total = self.totals.setdefault(message.key, [0, 0])
            total[0] += 1
            total[1] += value
            self._changed.add(message.key)
            self._counts["applied"] += 1
            origin = {"topic": message.topic, "partition": self.number, "offset": message.offset}
            self._outputs.append(Output(METRICS, message.key, origin))

    def tick(self, now_us: int) -> None:
        # what brokers say may differ by a moment: a time that goes back says nothing, as to the real core
        self.ticked_us = max(self.ticked_us, now_us)
        self._counts["ticks"] += 1

    def checkpoint(self) -> Checkpoint:
        pad = "x" * 700_000 if any(b"large" in key for key in self._changed) else ""
        changes = [
            (key, json.dumps({"totals": self.totals[key], "pad": pad if b"large" in key else ""}).encode())
            for key in sorted(self._changed)
        ]
        changes.append((APPLIED, json.dumps(self.applied).encode()))
        checkpoint = Checkpoint(tuple(changes), tuple(self._outputs), dict(self.applied))
        self._changed, self._outputs, self._moved = set(), [], False
        return checkpoint

    def settled(self) -> None:
        """It keeps everything in memory."""

    def counts(self) -> Mapping[str, int]:
        return dict(self._counts)

    def spending(self) -> tuple[float, Mapping[str, int]]:
        return 0.0, {}


def encode(output: Output) -> tuple[bytes, list[tuple[str, bytes]]]:
    return json.dumps(output.record).encode(), list(output.headers)


if __name__ == "__main__":
    try:
        sys.exit(run_worker(WorkerSettings(), core=CountingCore, encode=encode))
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        sys.exit(WRONG_USE)

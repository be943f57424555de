"""What enters and leaves the core: raw input messages, output records, and the names of the topics."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PREDICTIONS = "predictions"
GROUND_TRUTH = "ground-truth"
CONTROL = "control"
RETRAIN_STATUS = "retrain-status"
METRICS = "metrics"
ALERTS = "alerts"
RETRAIN_REQUESTS = "retrain-requests"
DEAD_LETTERS = "dead-letters"
STATE = "state"

#: All inputs, and the two that carry data and drive time.
INPUTS = (PREDICTIONS, GROUND_TRUTH, CONTROL, RETRAIN_STATUS)
DATA_INPUTS = (PREDICTIONS, GROUND_TRUTH)
OUTPUTS = (METRICS, ALERTS, RETRAIN_REQUESTS, DEAD_LETTERS)
TOPICS = (*INPUTS, *OUTPUTS, STATE)


@dataclass(frozen=True, slots=True)
class Message:
    """One record of an input topic, as it came. `topic` is the name without its prefix."""

    topic: str
    offset: int
    timestamp_us: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Output:
    """One record for an output topic. `record` is the contract's JSON form: times are RFC 3339 strings."""

    topic: str
    key: bytes
    record: Mapping[str, Any]
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What one Kafka transaction must carry: changed snapshots, outputs, and the last applied offsets.

    A change is (key, snapshot bytes) or (key, None) for a deletion. `offsets` holds, for each input that
    has been read, the offset of the last applied message.
    """

    changes: tuple[tuple[bytes, bytes | None], ...]
    outputs: tuple[Output, ...]
    offsets: Mapping[str, int]

    def then(self, later: "Checkpoint") -> "Checkpoint":
        """Both in one: for a transaction that was aborted and is sent again with what came after."""
        changes = dict(self.changes) | dict(later.changes)
        return Checkpoint(tuple(changes.items()), self.outputs + later.outputs, later.offsets)

"""What is demanded of a run's outcome, all of it recomputed from the raw topics."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from streamgauge.clients.connection import Connection
from streamgauge.schemas.errors import Reason
from streamgauge.schemas.message import (
    ALERTS,
    CONTROL,
    DEAD_LETTERS,
    METRICS,
    RETRAIN_REQUESTS,
    RETRAIN_STATUS,
)
from streamgauge.streams.core.episode import fingerprint
from streamgauge.streams.core.partition import Partition
from tests.acceptance.outcome import balance, partitions, records
from tests.chaos.lifecycles import alert_problems, lost_alerts, request_problems
from tests.chaos.offline import Offline
from tests.chaos.raw import latest_delay_s, read_inputs
from tests.chaos.scale import Scale

_ORPHANED = "orphaned"


class Verdict:
    """Every problem of a run's outcome, in words; figures for whoever reads the verdict."""

    def __init__(self, connection: Connection, scale: Scale) -> None:
        self._connection = connection
        inputs = read_inputs(connection)
        self.delay_s = latest_delay_s(inputs)
        self._offline = Offline(inputs, scale)
        self.records = len(inputs)

    @property
    def events(self) -> int:
        """How many events lie in the inputs, without those that are refused."""
        return sum(self._offline.counts.values())

    def metric_problems(self) -> list[str]:
        """How published metrics differ from those computed offline, or are not final."""
        return self._offline.metric_differences(records(self._connection, METRICS))

    def problems(self) -> list[str]:
        """Everything else."""
        restored = partitions(self._connection)
        letters = records(self._connection, DEAD_LETTERS)
        alerts = records(self._connection, ALERTS)
        return [
            *self._letter_problems(letters),
            *self._ledger_problems(restored),
            *alert_problems(alerts),
            *lost_alerts(alerts, dict(_known_alerts(restored))),
            *request_problems(records(self._connection, RETRAIN_REQUESTS)),
        ]

    def figures(self) -> Mapping[str, int]:
        """Records of outputs."""
        counted = {
            topic: len(records(self._connection, topic)) for topic in (METRICS, ALERTS, RETRAIN_REQUESTS)
        }
        return {**counted, DEAD_LETTERS: len(self._offline.refused) + self._offline.orphans.total()}

    def _letter_problems(self, letters: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        told = Counter(
            (
                letter["topic"].removeprefix(self._connection.prefix),
                letter["partition"],
                letter["offset"],
                letter["reason"],
            )
            for letter in letters
            if letter["reason"] != _ORPHANED
        )
        wanted = Counter((*place, reason) for place, reason in self._offline.refused.items())
        yield from (f"no dead letter of {place}" for place in (wanted - told).elements())
        for letter, times in (told - wanted).items():
            if times > 1 or not _may_be_refused(letter):
                yield f"{times} dead letters too many of {letter}"
        orphans = sum(letter["reason"] == _ORPHANED for letter in letters)
        if orphans != self._offline.orphans.total():
            yield f"{orphans} labels were orphaned; it is {self._offline.orphans}"

    def _ledger_problems(self, restored: Sequence[Partition]) -> Iterator[str]:
        total: Counter[str] = Counter()
        for partition in restored:
            total.update(partition.counts())
        yield from self._offline.count_problems(total)
        try:
            balance(total, self.events)
        except AssertionError as error:
            yield f"a ledger does not balance: {error}"


def _may_be_refused(letter: tuple[str, int, int, str]) -> bool:
    """An order may come when the alert is over, or the request."""
    topic, _, _, reason = letter
    return topic in (CONTROL, RETRAIN_STATUS) and reason == Reason.REFUSED


def _known_alerts(restored: Sequence[Partition]) -> Iterator[tuple[str, tuple[int, int | None]]]:
    for partition in restored:
        for model in partition.models.values():
            state = model.book.to_state()
            for version, monitor, segment, number, *_ in state["closed"][1]:
                if number:  # a monitor of whose findings another told has none
                    name = fingerprint(model.definition.model, version, monitor, tuple(map(tuple, segment)))
                    yield name, (number, None)
            for episode in model.book.open_episodes():
                yield episode.fingerprint, (episode.number, episode.sequence)

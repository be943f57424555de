"""Workers of this release and of the next one share a group: partitions go to and fro, under load."""

import json
import re
import shutil
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer

from streamgauge.schemas.message import DEAD_LETTERS, METRICS, PREDICTIONS, STATE
from streamgauge.streams.core.partition import CoreSettings, Partition
from streamgauge.streams.stored import read_stored
from tests.harness import ROOT, WorkerProcess, create_topics, read_topic, wait_until
from tests.test_repository import CODE

pytestmark = pytest.mark.kafka

MODELS, PARTITIONS = 12, 2
#: What sets a release apart, by file: (what it says here, what it says there).
Changes = Mapping[str, tuple[str, str]]
_READS = ("READS = (1,)", "READS = (1, 2)")
#: This release, once it has learned what the next one will write (docs/adr/0019).
THIS: Changes = {"streams/core/snapshot.py": _READS}
#: The next one writes another form, in which models have a new name and a new kind of record.
NEXT: Changes = {
    "streams/core/snapshot.py": ("FORMAT = 1\n", "FORMAT = 2\n"),
    "streams/core/model.py": ('"judge": self.judge', '"luck": 7, "judge": self.judge'),
    "streams/core/persistence.py": (
        "    yield (MODEL, name), model.to_state()",
        '    yield ("horoscope", name), {"sign": "crab"}\n    yield (MODEL, name), model.to_state()',
    ),
}


def release(folder: Path, *changes: Changes) -> Path:
    """A copy of the code with these changes: what another checkout would be."""
    compiled = shutil.ignore_patterns("__pycache__")
    for name in ("streamgauge", *CODE):
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=compiled)
    for change in changes:
        for file, (here, there) in change.items():
            text = (folder / file).read_text()
            assert text.count(here) == 1, f"{file} says {here!r} {text.count(here)} times"
            (folder / file).write_text(text.replace(here, there))
    return folder


class Load(threading.Thread):
    """Predictions of some models, a second of event time after the other, until it is told to stop."""

    def __init__(self, broker: str, prefix: str) -> None:
        super().__init__()
        self._producer = Producer(
            {"bootstrap.servers": broker, "enable.idempotence": True, "partitioner": "murmur2_random"}
        )
        self._topic = prefix + PREDICTIONS
        self._stopped = threading.Event()
        self.sent: Counter[str] = Counter()

    def run(self) -> None:
        start_us, second = time.time_ns() // 1_000_000_000 * 1_000_000, 0
        while not self._stopped.wait(0.02):
            for number in range(MODELS):
                model, time_us = f"model-{number}", start_us - 3_600_000_000 + second * 1_000_000
                event = {"prediction_id": f"{second}", "model": model, "time": time_us, "prediction": "yes"}
                self._producer.produce(self._topic, key=model, value=json.dumps(event))
                self.sent[model] += 1
            second += 1
            self._producer.poll(0)
        self._producer.flush(60)

    def stop(self) -> None:
        self._stopped.set()
        self.join(60)


@contextmanager
def loaded(broker: str, prefix: str) -> Iterator[Load]:
    load = Load(broker, prefix)
    load.start()
    try:
        yield load
    finally:
        load.stop()


def forms(broker: str, prefix: str) -> dict[int, list[int]]:
    """By partition, in which form each snapshot of a model was written, in order."""
    found = defaultdict(list)
    for record in read_topic(broker, prefix + STATE):
        key, value = record.key() or b"", record.value()
        if key.startswith(b'["model"') and value is not None:
            found[record.partition()].append(value[2])
    return found


def test_an_upgrade_and_a_downgrade_one_worker_at_a_time_lose_nothing(
    broker: str, prefix: str, tmp_path: Path
) -> None:
    connection = create_topics(broker, prefix, PARTITIONS)
    releases = {1: release(tmp_path / "this", THIS), 2: release(tmp_path / "next", THIS, NEXT)}
    running: list[WorkerProcess] = []

    def start(form: int) -> WorkerProcess:
        worker = WorkerProcess(
            broker,
            prefix,
            tmp_path / f"worker-{len(list(tmp_path.glob('*.log')))}.log",
            module="streamgauge",
            arguments=["worker"],
            environment={"STREAMGAUGE_CLOCK": "events", "STREAMGAUGE_STATE_DIR": str(tmp_path / "state")},
            directory=releases[form],
        ).start()
        running.append(worker)
        return worker

    def each_owns_one() -> bool:
        for worker in running:
            assert worker.exit_code is None, worker.logs[-4000:]
        return all(re.search(r'partitions{state="open"} 1\.0', w.health("/metrics")[1]) for w in running)

    def replace(form: int) -> None:
        """The oldest worker goes, one of another release comes; both commit before the next one goes."""
        assert running.pop(0).stop() == 0
        start(form)
        wait_until(each_owns_one)
        before = {number: len(found) for number, found in forms(broker, prefix).items()}
        wait_until(
            lambda: all(len(found) > before[n] + 3 for n, found in forms(broker, prefix).items()),
            every=0.5,
        )

    try:
        with loaded(broker, prefix) as load:
            for form in (1, 1):
                start(form)
            wait_until(each_owns_one)
            for form in (2, 2, 1, 1):
                replace(form)
        wait_until(lambda: all(not any(p.lag.values()) for p in read_stored(connection, ["applied"])))
        assert [worker.stop() for worker in running] == [0, 0]
    finally:
        for worker in running:
            worker.__exit__()

    written = forms(broker, prefix)
    assert len(written) == PARTITIONS
    for found in written.values():
        assert set(found) == {1, 2}
        assert (found[0], found[-1]) == (1, 1)
    stored = read_stored(connection, ["applied", "fleet", "brief", "model", "horoscope"])
    assert not any(b"horoscope" in key for partition in stored for key in partition.records)
    applied: dict[str, int] = {}
    for partition in stored:
        core = Partition.restore(partition.number, CoreSettings(), partition.records.items())
        applied |= {name: model.intake.counts.applied for name, model in core.models.items()}
    assert applied == load.sent
    assert not read_topic(broker, prefix + DEAD_LETTERS)
    windows = Counter(
        (record["model"], record["window"]["start"], record["window"]["end"], record["revision"])
        for message in read_topic(broker, prefix + METRICS)
        if (record := json.loads(message.value() or b""))["metric"] == "failure_rate"
    )
    assert windows
    assert set(windows.values()) == {1}

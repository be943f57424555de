"""The logger's way into Kafka, on an embedded cluster, and how processes that fork or end treat it."""

import os
import subprocess
import sys
import textwrap
import time
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from streamgauge.clients import kafka_sink
from streamgauge.clients.connection import Connection
from streamgauge.clients.kafka_sink import KafkaSink
from streamgauge.clients.logger import PredictionLogger
from streamgauge.schemas.decode import decode_messages
from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS, Message


@pytest.fixture
def connection(mock_cluster: str) -> Connection:
    return Connection(mock_cluster, prefix=f"t{uuid.uuid4().hex[:8]}.")


def consume(connection: Connection, topic: str) -> list[Any]:
    """Every record of a topic that is there now."""
    consumer = Consumer(
        connection.librdkafka()
        | {"group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest", "log_level": 2}
    )
    name = connection.topic(topic)
    partitions = consumer.list_topics(name, timeout=60).topics[name].partitions
    assigned = [TopicPartition(name, p, 0) for p in partitions]
    ends = {p.partition: consumer.get_watermark_offsets(p, timeout=10)[1] for p in assigned}
    consumer.assign(assigned)
    records: list[Any] = []
    deadline = time.monotonic() + 20
    while len(records) < sum(ends.values()):
        assert time.monotonic() < deadline
        record = consumer.poll(0.5)
        if record is not None and record.error() is None:
            records.append(record)
    consumer.close()
    return records


def batches(connection: Connection, topic: str) -> list[Any]:
    messages = [Message(topic, r.offset(), 0, r.key(), r.value()) for r in consume(connection, topic)]
    result = decode_messages(topic, messages)
    assert result.refused == []
    return [batch for batch, _ in result.batches]


def ids_of(found: list[Any]) -> list[uuid.UUID]:
    raw = b"".join(batch.ids.tobytes() for batch in found)
    return [uuid.UUID(bytes=raw[i : i + 16]) for i in range(0, len(raw), 16)]


def test_predictions_and_labels_arrive_as_columns(connection: Connection) -> None:
    with PredictionLogger("credit", "7", connection=connection, environ={}) as logger:
        ids = [logger.predict("yes", {"age": float(i)}, score=0.5) for i in range(1_200)]
        logger.ground_truth(ids[0], "no", revision=1)
    predictions = batches(connection, PREDICTIONS)
    assert [str(id_) for id_ in ids_of(predictions)] == ids
    assert np.concatenate([b.features["age"] for b in predictions]).tolist() == [
        float(i) for i in range(1_200)
    ]
    (labels,) = batches(connection, GROUND_TRUTH)
    assert (labels.label.to_list(), labels.revision.tolist()) == (["no"], [1])
    assert logger.stats().sent == 1_201


def test_the_key_is_the_model_and_its_partition_that_of_javas_partitioner(connection: Connection) -> None:
    with PredictionLogger("credit", connection=connection, environ={}) as logger:
        logger.predict("yes")
    (record,) = consume(connection, PREDICTIONS)
    assert record.key() == b"credit"
    assert record.partition() == murmur2(b"credit") % 4


def murmur2(data: bytes) -> int:
    """Kafka's Java partitioner, written from its source: the positive murmur2 of the key."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = 0x9747B28C ^ len(data)
    whole = len(data) // 4 * 4
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        h = (h * m & mask) ^ ((k ^ k >> 24) * m & mask)
    tail = data[whole:]
    if tail:
        h = (h ^ int.from_bytes(tail, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return (h ^ h >> 15) & 0x7FFFFFFF


def test_a_batch_beyond_the_message_size_goes_in_parts(connection: Connection) -> None:
    sink = KafkaSink(connection)
    with PredictionLogger("wide", sink=sink, environ={}, linger_ms=60_000) as logger:
        logger.predict("yes", latency_ms=-1)
        ids = [logger.predict("yes", {f"f{j}": 1.5 for j in range(400)}) for _ in range(490)]
    found = batches(connection, PREDICTIONS)
    assert len(found) == 2
    assert [str(id_) for id_ in ids_of(found)] == ids
    assert sum(batch.dropped for batch in found) == 1
    assert logger.stats().dropped == 0


def test_models_may_share_a_sink(connection: Connection) -> None:
    sink = KafkaSink(connection)
    loggers = [PredictionLogger(f"m{i}", sink=sink, environ={}) for i in range(3)]
    for logger in loggers:
        logger.predict("yes")
        logger.close()
    assert sorted(batch.model for batch in batches(connection, PREDICTIONS)) == ["m0", "m1", "m2"]


def test_a_broker_that_is_not_there_costs_events_but_no_time(caplog: pytest.LogCaptureFixture) -> None:
    sink = KafkaSink(Connection("127.0.0.1:1"), delivery_timeout_s=1.0)
    logger = PredictionLogger("credit", sink=sink, environ={}, close_timeout_s=10)
    for _ in range(3):
        logger.predict("yes")
    logger.close()
    assert logger.stats().dropped == 3
    assert len([r for r in caplog.records if "was not delivered" in r.getMessage()]) == 1


def run(script: str, connection: Connection) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {
        "STREAMGAUGE_BOOTSTRAP_SERVERS": connection.bootstrap_servers,
        "STREAMGAUGE_TOPIC_PREFIX": connection.prefix,
    }
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env=environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(("refused", "lost"), [(2, 0), (10**6, 3)])
def test_what_was_in_flight_while_credentials_were_refused_is_sent_again(
    monkeypatch: pytest.MonkeyPatch, refused: int, lost: int
) -> None:
    """No cluster can be made to refuse them at just that moment."""
    reports: deque[Callable[[], None]] = deque()

    class Refusing:
        sent = 0

        def __init__(self, *_: object, **__: object) -> None: ...

        def produce(
            self, *_: object, on_delivery: Callable[[KafkaError | None, object], None], **__: object
        ) -> None:
            Refusing.sent += 1
            error = KafkaError(KafkaError._AUTHENTICATION) if Refusing.sent <= refused else None
            reports.append(lambda: on_delivery(error, None))

        def poll(self, _: float) -> None:
            return

        def flush(self, _: float) -> int:
            while reports:
                reports.popleft()()
            return 0

    monkeypatch.setattr(kafka_sink, "Producer", Refusing)
    sink = KafkaSink(Connection("127.0.0.1:1"), delivery_timeout_s=0.2)
    logger = PredictionLogger("credit", sink=sink, environ={})
    for _ in range(3):
        logger.predict("yes")
    assert logger.flush(60)
    assert logger.stats().dropped == lost
    logger.close()


def test_what_is_queued_is_sent_when_the_process_ends(connection: Connection) -> None:
    done = run(
        """
        from streamgauge import PredictionLogger
        logger = PredictionLogger("credit", linger_ms=60_000)
        for i in range(20):
            logger.predict("yes")
        """,
        connection,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(ids_of(batches(connection, PREDICTIONS))) == 20


@pytest.mark.parametrize("ending", ["pass", "os._exit(logger.close() or 0)"])
def test_forked_processes_send_their_own_and_nothing_twice(connection: Connection, ending: str) -> None:
    done = run(
        f"""
        import os, sys, threading
        from streamgauge import PredictionLogger
        logger = PredictionLogger("credit", linger_ms=60_000)
        logger.predict("sent by the parent")
        assert logger.flush()                       # the producer and the thread are there
        for _ in range(10):
            logger.predict("queued by the parent")  # and events are waiting in the queue
        children = []
        for _ in range(3):
            pid = os.fork()
            if pid == 0:
                for _ in range(10):
                    logger.predict(f"child")
                {ending}
                sys.exit()
            children.append(pid)
        codes = [os.waitpid(pid, 0)[1] for pid in children]
        logger.predict("after")
        sys.exit(max(codes))
        """,
        connection,
    )
    assert done.returncode == 0, done.stderr
    found = batches(connection, PREDICTIONS)
    assert len(set(ids_of(found))) == len(ids_of(found)) == 1 + 10 + 30 + 1
    logged = [text for batch in found for text in batch.prediction.to_list()]
    assert logged.count("queued by the parent") == 10
    assert logged.count("child") == 30


def test_a_logger_made_before_the_fork_and_used_only_after_it_works(connection: Connection) -> None:
    done = run(
        """
        import os, sys
        from streamgauge import PredictionLogger
        logger = PredictionLogger("credit")
        first = os.fork()
        second = os.fork()
        logger.predict("yes")
        for pid in filter(None, [second, first if second else 0]):
            assert os.waitpid(pid, 0)[1] == 0
        """,
        connection,
    )
    assert done.returncode == 0, done.stderr
    assert len(set(ids_of(batches(connection, PREDICTIONS)))) == 4


def test_a_multiprocessing_worker_flushes(connection: Connection) -> None:
    done = run(
        """
        import multiprocessing
        from streamgauge import PredictionLogger
        logger = PredictionLogger("credit")
        def work():
            with logger:
                logger.predict("yes")
        logger.predict("yes")
        context = multiprocessing.get_context("fork")
        processes = [context.Process(target=work) for _ in range(2)]
        for p in processes: p.start()
        for p in processes:
            p.join()
            assert p.exitcode == 0
        """,
        connection,
    )
    assert done.returncode == 0, done.stderr
    assert len(set(ids_of(batches(connection, PREDICTIONS)))) == 3


def test_a_signal_handler_may_log_while_the_app_logs(connection: Connection) -> None:
    done = run(
        """
        import signal, time
        from streamgauge import PredictionLogger
        logger = PredictionLogger("credit", queue_events=500)
        ticks = 0
        def tick(*_):
            global ticks
            ticks += 1
            logger.predict("tick")
        signal.signal(signal.SIGALRM, tick)
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        logged = 0
        while ticks < 200:
            logger.predict("yes")
            logged += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
        logger.close()
        stats = logger.stats()
        assert stats.sent + stats.dropped == logged + ticks, (stats, logged, ticks)
        """,
        connection,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_forks_amid_busy_threads_lose_and_repeat_nothing(connection: Connection) -> None:
    done = run(
        """
        import os, sys, threading
        from streamgauge import PredictionLogger
        logger = PredictionLogger("credit", queue_events=100_000, linger_ms=5)
        ending, counts = threading.Event(), []
        def serve():
            count = 0
            while not ending.wait(0.0005):
                logger.predict("parent")
                count += 1
            counts.append(count)
        threads = [threading.Thread(target=serve) for _ in range(4)]
        for thread in threads: thread.start()
        for _ in range(15):
            pid = os.fork()
            if pid == 0:
                for _ in range(10):
                    logger.predict("child")
                os._exit(0 if logger.flush(60) else 1)
            assert os.waitpid(pid, 0)[1] == 0
        ending.set()
        for thread in threads: thread.join()
        logger.close()
        print(sum(counts))
        """,
        connection,
    )
    assert done.returncode == 0, done.stderr
    found = batches(connection, PREDICTIONS)
    logged = [text for batch in found for text in batch.prediction.to_list()]
    assert logged.count("child") == 150
    assert logged.count("parent") == int(done.stdout)
    assert len(set(ids_of(found))) == len(logged)


def test_a_process_ends_though_kafka_is_away() -> None:
    done = run(
        """
        from streamgauge import PredictionLogger
        logger = PredictionLogger("credit", close_timeout_s=0.2)
        for _ in range(100):
            logger.predict("yes")
        """,
        Connection("127.0.0.1:1"),
    )
    assert done.returncode == 0, done.stderr


def test_a_logger_the_app_let_go_of_is_flushed_too(connection: Connection) -> None:
    done = run(
        """
        from streamgauge import PredictionLogger
        PredictionLogger("credit", linger_ms=60_000).predict("yes")
        """,
        connection,
    )
    assert done.returncode == 0, done.stderr
    assert len(ids_of(batches(connection, PREDICTIONS))) == 1

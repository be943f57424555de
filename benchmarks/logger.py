"""What logging costs: in the serving thread, and at the worker when many slow processes log.

``python -m benchmarks.logger`` needs no Kafka. Times are CPU time, so that a busy machine shows little in
them; the serving thread's is also given as a ratio to `json.dumps` of the same features, for other machines.
"""

import json
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.figure import Figure
from streamgauge.clients.logger import PredictionLogger
from streamgauge.clients.sinks import Batch
from streamgauge.schemas.batch import PredictionBatch
from streamgauge.schemas.encode import encode_prediction_batch
from streamgauge.schemas.message import PREDICTIONS, Message
from streamgauge.streams.core.partition import CoreSettings, Partition

#: What the serving thread may spend on a prediction with 12 features.
EXPECTED_US = 10.0
#: Messages of one model that a worker applies at once: what came in some tens of milliseconds.
RUN = 20
FEATURES: dict[str, Any] = {f"number_{i}": i + 0.5 for i in range(9)} | {
    "job": "clerk",
    "city": "Oslo",
    "age": 41,
}


class CountingSink:
    """Encodes as the Kafka sink does, and counts."""

    def __init__(self) -> None:
        self.messages = self.events = 0

    def send(self, batch: Batch, lost: Callable[[int, int], None]) -> None:
        assert isinstance(batch, PredictionBatch)
        self.keep(encode_prediction_batch(batch))
        self.messages += 1
        self.events += len(batch)

    def keep(self, value: bytes) -> None:
        """What a message would hold."""

    def poll(self) -> None:
        pass

    def flush(self, timeout_s: float) -> bool:
        return True

    def after_fork(self) -> None:
        pass


class KeepingSink(CountingSink):
    """Also keeps the messages."""

    def __init__(self) -> None:
        super().__init__()
        self.values: list[bytes] = []

    def keep(self, value: bytes) -> None:
        self.values.append(value)


def figures() -> list[Figure]:
    """The logger's lines of the table."""
    return serving_thread() + slow_processes()


def serving_thread(calls: int = 20_000, rounds: int = 7) -> list[Figure]:
    """CPU time of `predict` in the thread that calls it, the background thread at work beside it."""
    sink = CountingSink()
    costs, ratios = [], []
    with PredictionLogger("bench", "1", sink=sink, environ={}, queue_events=calls) as logger:
        for _ in range(rounds):
            baseline = _cpu_us(lambda: json.dumps(FEATURES), calls // 4)
            costs.append(_cpu_us(lambda: logger.predict("yes", FEATURES, score=0.8, latency_ms=20.0), calls))
            ratios.append(costs[-1] / baseline)
            logger.flush()
        waits = _paced_us(logger)
        background_us = _process_us(logger, calls) - float(np.median(costs))
    return [
        Figure("logger: predict() in the serving thread, 12 features", float(np.median(costs)), "µs",
               f"≤ {EXPECTED_US:g}"),
        Figure("logger: the same, json.dumps of the features being 1", float(np.median(ratios)), "×"),
        Figure("logger: predict() at 2,000/s by the clock, p50", float(np.percentile(waits, 50)), "µs"),
        Figure("logger: predict() at 2,000/s by the clock, p99", float(np.percentile(waits, 99)), "µs"),
        Figure("logger: background thread, columns and encoding", background_us, "µs/event"),
    ]  # fmt: skip


def slow_processes(
    processes: int = 100, models: int = 3, latency_s: float = 0.02, seconds: float = 4.0
) -> list[Figure]:
    """Many forked serving processes, each with some models that answer one request after the other."""
    readers = []
    for _ in range(processes):
        reading, writing = os.pipe()
        if os.fork() == 0:
            try:
                os.write(writing, json.dumps(_serve(models, latency_s, seconds)).encode())
            finally:
                os._exit(0)
        os.close(writing)
        readers.append(reading)
    found = [json.loads(os.read(reading, 1 << 20)) for reading in readers]
    for reading in readers:
        os.close(reading)
        os.wait()
    messages_s = sum(each["messages"] for each in found) / seconds
    events_s = sum(each["events"] for each in found) / seconds
    cpu = 100 * sum(each["cpu_s"] for each in found) / processes / seconds
    events = round(events_s / messages_s)
    one_us, full_us = _worker_us(events, 300), _worker_us(500, 40)
    name = f"{processes} processes × {models} models at {latency_s * 1_000:g} ms"
    return [
        Figure(f"{name}: predictions", events_s, "1/s"),
        Figure(f"{name}: messages", messages_s, "1/s"),
        Figure(f"{name}: CPU of a process", cpu, "%"),
        Figure(f"{name}: worker, decode and apply a message of {events}", one_us, "µs"),
        Figure(f"{name}: worker load", messages_s * one_us / 1e4, "% of a core", "≤ 100"),
        Figure("the same in batches of 500: worker load", events_s / 500 * full_us / 1e4, "% of a core"),
    ]  # fmt: skip


def _serve(models: int, latency_s: float, seconds: float) -> dict[str, Any]:
    sinks = [CountingSink() for _ in range(models)]

    def serve(number: int) -> None:
        with PredictionLogger(f"model-{number}", "1", sink=sinks[number], environ={}) as logger:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                time.sleep(latency_s)
                logger.predict("yes", FEATURES, score=0.8, latency_ms=latency_s * 1_000)

    threads = [threading.Thread(target=serve, args=(number,)) for number in range(models)]
    started = time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {
        "messages": sum(sink.messages for sink in sinks),
        "events": sum(sink.events for sink in sinks),
        "cpu_s": time.process_time() - started,
    }


def _worker_us(events: int, count: int) -> float:
    """CPU time of the core's part of a worker for a message of so many events."""
    sink = KeepingSink()
    with PredictionLogger(
        "model-0", "1", sink=sink, environ={}, linger_ms=60_000, batch_events=events, queue_events=10**6
    ) as logger:
        for _ in range(2 * count * events):
            logger.predict("yes", FEATURES, score=0.8, latency_ms=20.0)
    now_us = time.time_ns() // 1_000
    messages = [Message(PREDICTIONS, i, now_us, b"model-0", value) for i, value in enumerate(sink.values)]
    partition = Partition(0, CoreSettings())
    partition.apply(messages[:count])
    started = time.process_time_ns()
    for start in range(count, len(messages), RUN):
        partition.apply(messages[start : start + RUN])
    return (time.process_time_ns() - started) / 1_000 / len(messages[count:])


def _cpu_us(call: Callable[[], object], calls: int) -> float:
    started = time.thread_time_ns()
    for _ in range(calls):
        call()
    return (time.thread_time_ns() - started) / 1_000 / calls


def _paced_us(logger: PredictionLogger, calls: int = 4_000) -> list[float]:
    """What a caller waits for each call, other threads' turns at the interpreter included."""
    waits = []
    for _ in range(calls):
        time.sleep(0.0004)
        started = time.perf_counter_ns()
        logger.predict("yes", FEATURES, score=0.8, latency_ms=20.0)
        waits.append((time.perf_counter_ns() - started) / 1_000)
    return waits


def _process_us(logger: PredictionLogger, calls: int) -> float:
    """CPU time of all threads for a prediction from the call until it is handed to the sink."""
    started = time.process_time_ns()
    for _ in range(calls):
        logger.predict("yes", FEATURES, score=0.8, latency_ms=20.0)
    logger.flush()
    return (time.process_time_ns() - started) / 1_000 / calls


if __name__ == "__main__":
    for figure in figures():
        print(figure)

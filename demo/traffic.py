"""The demo's serving apps and label sources, as one process: the world's events, logged at the clock's pace.

``python -m streamgauge.demo.traffic`` is started by the demo. It knows Kafka's address and the seed, nothing
of the worker. When its models are trained it waits for a line on standard input, then prints one line of
JSON a block: how far it is. Further lines are orders: a version to deploy, or to settle for. It ends early
when standard input does, for then the demo is gone.
"""

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TextIO

from streamgauge.clients.connection import Connection
from streamgauge.clients.kafka_sink import KafkaSink
from streamgauge.clients.logger import PredictionLogger
from streamgauge.demo.requests import Requests
from streamgauge.demo.scoring import LinearModel
from streamgauge.demo.services import Pool, Service
from streamgauge.demo.world import SPAN_US, Block, Timeline, World
from streamgauge.schemas.batch import Categories, GroundTruthBatch, Ids, Outcome
from streamgauge.schemas.item_lists import ItemLists

#: Predictions a second of the clock, all models together; about as many labels come on top.
PREDICTIONS_PER_S = 3_500.0
#: A block leaves every so many seconds of the clock.
BLOCK_S = 0.25
#: The embedded broker hands out one stored batch a fetch and partition, so messages wait for company.
LINGER_MS = 250.0


def timeline_for(start_us: int, seconds: float) -> Timeline:
    """The whole span of event time within `seconds` of the clock.

    >>> timeline_for(0, 90.0).block_us, round(timeline_for(0, 90.0).predictions_per_s)
    (40000000, 22)
    """
    blocks = max(1, round(seconds / BLOCK_S))
    block_us = SPAN_US // blocks
    return Timeline(start_us, PREDICTIONS_PER_S * seconds * 1_000_000 / SPAN_US, block_us)


def main(arguments: list[str] | None = None) -> int:
    """Send the whole span of event time within the given seconds, then end."""
    parser = argparse.ArgumentParser(prog="streamgauge.demo.traffic")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--start-us", type=int, required=True, help="when event time begins")
    parser.add_argument("--seconds", type=float, required=True, help="how long it takes on the clock")
    parser.add_argument("--no-faults", action="store_true")
    args = parser.parse_args(arguments)

    world = World(args.seed, timeline_for(args.start_us, args.seconds), with_faults=not args.no_faults)
    sink = KafkaSink(Connection.from_environment(os.environ), linger_ms=LINGER_MS)
    apps = {(service.name, service.version): _app(service, sink) for service in world.services}
    labelling = {service.name: apps[service.name, service.version] for service in world.services}
    orders = _lines(sys.stdin)
    if not orders.get():
        return 1
    sent = 0
    started_s = time.monotonic()
    for number, block in enumerate(world.blocks(), start=1):
        for requests in block.requests:
            service = requests.service
            app = apps.get((service.name, service.version))
            if app is None:
                app = apps[service.name, service.version] = _app(service, sink)
            log_requests(app, requests)
        for labels in block.labels:
            log_labels(labelling[labels.model], labels)
        sent += sum(map(len, block.requests))
        print(json.dumps(_progress(block, sent, time.monotonic() - started_s)), flush=True)
        if not _obey(orders, world, started_s + number * BLOCK_S):
            return 1
    for app in apps.values():
        app.close()
    stats = {" ".join(name): str(app.stats()) for name, app in apps.items()}
    print(json.dumps({"done": True, "sent": sent, "stats": stats}), flush=True)
    return 0


def _app(service: Service, sink: KafkaSink) -> PredictionLogger:
    return PredictionLogger(service.name, service.version, sink=sink, task=service.task, queue_events=100_000)


def _lines(stream: TextIO) -> "SimpleQueue[str]":
    """Its lines as they come; an empty one at its end."""
    lines: SimpleQueue[str] = SimpleQueue()

    def read() -> None:
        for line in stream:
            lines.put(line)
        lines.put("")

    Thread(target=read, daemon=True).start()
    return lines


def _obey(orders: "SimpleQueue[str]", world: World, until_s: float) -> bool:
    """Do what is ordered until a moment of the monotonic clock; False if nobody is there any more."""
    while True:
        try:
            line = orders.get(timeout=max(0.0, until_s - time.monotonic()))
        except Empty:
            return True
        if not line:
            return False
        order = json.loads(line)
        if order["what"] == "settle":
            world.settle(order["model"], order["version"])
        else:
            trained = LinearModel(**json.loads(Path(order["file"]).read_text()))
            world.deploy(order["model"], order["version"], trained)


def log_requests(logger: PredictionLogger, requests: Requests) -> None:
    """As a serving app would: one call a prediction."""
    answers = _answers(requests.pool)
    rows = zip(
        _texts(requests.ids),
        requests.rows.tolist(),
        requests.time_us.tolist(),
        requests.latency_ms.tolist(),
        requests.failed.tolist(),
        strict=True,
    )
    for prediction_id, row, time_us, latency_ms, failed in rows:
        answer = answers[row]
        logger.predict(
            None if failed else answer.prediction,
            answer.features,
            groups=answer.groups,
            score=None if failed else answer.score,
            latency_ms=latency_ms,
            prediction_id=prediction_id,
            time=time_us,
            error="no answer" if failed else None,
        )


def log_labels(logger: PredictionLogger, labels: GroundTruthBatch) -> None:
    """As a label source would: one call a label."""
    rows = zip(
        _texts(labels.ids),
        _values(labels.label),
        labels.time_us.tolist(),
        labels.revision.tolist(),
        labels.retracted.tolist(),
        strict=True,
    )
    for prediction_id, label, time_us, revision, retracted in rows:
        logger.ground_truth(
            prediction_id,
            None if retracted else label,
            time=time_us,
            revision=revision,
            retracted=retracted,
        )


@dataclass(frozen=True, slots=True)
class _Answer:
    prediction: Any
    features: Any
    groups: dict[str, str | None] | None
    score: float | None


@lru_cache(maxsize=16)
def _answers(pool: Pool) -> tuple[_Answer, ...]:
    scored = isinstance(pool.prediction, Categories)
    memberships = {key: column.to_list() for key, column in pool.groups.items()}
    return tuple(
        _Answer(
            prediction,
            pool.features[row],
            {key: values[row] for key, values in memberships.items()} or None,
            float(pool.score[row]) if scored else None,
        )
        for row, prediction in enumerate(_values(pool.prediction))
    )


def _values(column: Outcome) -> list[Any]:
    return column.to_list() if isinstance(column, Categories | ItemLists) else column.tolist()


def _texts(ids: Ids) -> list[str]:
    digits = ids.tobytes().hex()
    return [
        f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"
        for h in (digits[at : at + 32] for at in range(0, len(digits), 32))
    ]


def _progress(block: Block, sent: int, elapsed_s: float) -> dict[str, Any]:
    return {"event_us": block.end_us, "sent": sent, "elapsed_s": round(elapsed_s, 3)}


if __name__ == "__main__":
    raise SystemExit(main())

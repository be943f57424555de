"""The demo without Kafka or a clock: the same traffic through the same core, in this process.

``python -m streamgauge.demo.offline --seed 3`` prints the verdict in seconds; tests hold the core to it.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from streamgauge.clients.training_data import TrainingData, join, within
from streamgauge.demo.board import Board
from streamgauge.demo.definitions import definition_events
from streamgauge.demo.faults import MINUTE_US
from streamgauge.demo.news import Line, plain
from streamgauge.demo.report import report
from streamgauge.demo.traffic import timeline_for
from streamgauge.demo.trainer import next_version, refusal, verdict
from streamgauge.demo.verdict import Verdict, judge
from streamgauge.demo.world import SPAN_US, Block, World
from streamgauge.schemas.batch import GroundTruthBatch, PredictionBatch
from streamgauge.schemas.control import RetrainStatus, encode_control, encode_retrain_status
from streamgauge.schemas.durations import SECOND_US
from streamgauge.schemas.encode import decode_output, encode_ground_truth_batch, encode_prediction_batch
from streamgauge.schemas.message import (
    CONTROL,
    GROUND_TRUTH,
    PREDICTIONS,
    RETRAIN_REQUESTS,
    RETRAIN_STATUS,
    Message,
)
from streamgauge.streams.core.partition import CoreSettings, Partition

#: A Friday, at a full hour.
START_US = 1_763_712_000_000_000
#: How long the training job takes, in event time.
JOB_US = 10 * MINUTE_US


class Feed:
    """Numbers messages as a broker would: an offset a topic, stamped with the time they were appended."""

    def __init__(self) -> None:
        self._stored: dict[str, list[PredictionBatch | GroundTruthBatch | None]] = {}

    def message(
        self,
        topic: str,
        model: str,
        value: bytes,
        time_us: int,
        batch: PredictionBatch | GroundTruthBatch | None = None,
    ) -> Message:
        stored = self._stored.setdefault(topic, [])
        stored.append(batch)
        return Message(topic, len(stored) - 1, time_us, model.encode(), value)

    def block(self, block: Block) -> Iterator[Message]:
        """Labels first, so that those which come early do."""
        for labels in block.labels:
            value = encode_ground_truth_batch(labels)
            yield self.message(GROUND_TRUTH, labels.model, value, block.end_us, labels)
        for requests in block.requests:
            batch = requests.to_batch()
            value = encode_prediction_batch(batch)
            yield self.message(PREDICTIONS, requests.service.name, value, block.end_us, batch)

    def dataset(self, request: Mapping[str, Any]) -> TrainingData:
        """As `RetrainRequests.dataset`, of what was fed."""
        predictions: list[PredictionBatch] = []
        labels: list[GroundTruthBatch] = []
        start, end = (datetime.fromisoformat(request["data"][which]) for which in ("start", "end"))
        for place in request["data"]["offsets"]:
            topic = place["topic"].rpartition(".")[2]
            for batch in self._stored[topic][place["start"] : place["end"]]:
                if batch is None or batch.model != request["model"]:
                    continue
                if isinstance(batch, GroundTruthBatch):
                    labels.append(batch)
                elif batch.version == request["version"]:
                    predictions.append(within(batch, start, end))
        return join(predictions, labels)


class Rehearsal:
    """One demo in this process: worker, training job and platform, block after block."""

    def __init__(self, world: World, board: Board) -> None:
        self._world = world
        self._board = board
        self._feed = Feed()
        self._partition = Partition(0, CoreSettings(clock="events"))
        self._due: list[tuple[int, Callable[[int], None]]] = []
        self.news: list[Line] = []

    def run(self) -> None:
        """From the definitions to the last block."""
        start_us = self._world.timeline.start_us
        for event in definition_events(start_us):
            self._tell(CONTROL, event.model or "", encode_control(event)[0], start_us)
        for block in self._world.blocks():
            self._partition.apply(list(self._feed.block(block)))
            self._fold(block.end_us)
            while self._due and self._due[0][0] <= block.end_us:
                self._due.pop(0)[1](block.end_us)

    def _fold(self, now_us: int) -> None:
        self.news += self._board.advance(now_us)
        for output in self._partition.checkpoint().outputs:
            self.news += self._board.fold(output.topic, output.record)
            if output.topic == RETRAIN_REQUESTS:
                self._train(output.record, now_us)
        for order in self._board.successors.orders():
            if order.what == "settle":
                self._world.settle(order.model, order.version)

    def _train(self, request: Mapping[str, Any], now_us: int) -> None:
        """What the training job does, and its answer, which comes a while later."""
        model, why = request["model"], refusal(request)
        if why is not None:
            self._answer(request, "declined", why, None, now_us)
            return
        self._answer(request, "accepted", None, None, now_us)
        candidate, said = verdict(model, self._feed.dataset(request))
        version = next_version(request["version"])

        def finish(now_us: int) -> None:
            if candidate is None:
                self._answer(request, "failed", f"not deployed: {said}", None, now_us)
                return
            self._answer(request, "succeeded", said, version, now_us)
            self._world.deploy(model, version, candidate.model)

        self._due.append((now_us + JOB_US, finish))

    def _answer(
        self, request: Mapping[str, Any], state: Any, message: str | None, new: str | None, now_us: int
    ) -> None:
        status = RetrainStatus(
            request_id=request["request_id"], model=request["model"], attempt=request["attempt"], state=state,
            time_us=now_us, new_version=new, message=message,
        )  # fmt: skip
        value, headers = encode_retrain_status(status)
        self._tell(RETRAIN_STATUS, status.model, value, now_us)
        self.news += self._board.fold(RETRAIN_STATUS, decode_output(value, tuple(headers)))

    def _tell(self, topic: str, model: str, value: bytes, now_us: int) -> None:
        self._partition.apply([self._feed.message(topic, model, value, now_us)])


def rehearsed(
    seed: int, *, with_faults: bool = True, seconds: float = 90.0
) -> tuple[Board, Verdict, list[Line]]:
    """A whole demo's board, verdict and news."""
    world = World(seed, timeline_for(START_US, seconds), with_faults=with_faults)
    board = Board(world.services, world.faults)
    rehearsal = Rehearsal(world, board)
    rehearsal.run()
    return board, judge(world.faults, board.alert_events), rehearsal.news


def main(arguments: Sequence[str] | None = None) -> int:
    """Rehearse one seed, print its news and its verdict."""
    parser = argparse.ArgumentParser(prog="streamgauge.demo.offline")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=90.0, help="how dense: 3,500 predictions for each")
    parser.add_argument("--no-faults", action="store_true")
    args = parser.parse_args(arguments)
    board, found, news = rehearsed(args.seed, with_faults=not args.no_faults, seconds=args.seconds)
    for line in [*news, *report(found, board, SPAN_US / args.seconds / SECOND_US)]:
        print(plain(line))
    return 0 if found.passed() else 1


if __name__ == "__main__":
    raise SystemExit(main())

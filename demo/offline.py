"""The demo without Kafka or a clock: the same traffic through the same core, in this process.

``python -m streamgauge.demo.offline --seed 3`` prints the verdict in seconds; tests hold the core to it.
"""

import argparse
from collections.abc import Iterator, Sequence

from streamgauge.demo.board import Board
from streamgauge.demo.definitions import definition_events
from streamgauge.demo.report import plain, report
from streamgauge.demo.traffic import timeline_for
from streamgauge.demo.verdict import Verdict, judge
from streamgauge.demo.world import Block, World
from streamgauge.schemas.control import encode_control
from streamgauge.schemas.encode import encode_ground_truth_batch, encode_prediction_batch
from streamgauge.schemas.message import CONTROL, GROUND_TRUTH, PREDICTIONS, Message, Output
from streamgauge.streams.core.partition import CoreSettings, Partition

#: A Friday, at a full hour.
START_US = 1_763_712_000_000_000


class Feed:
    """Numbers messages as a broker would: an offset a topic, stamped with the time they were appended."""

    def __init__(self) -> None:
        self._offsets: dict[str, int] = {}

    def message(self, topic: str, model: str, value: bytes, time_us: int) -> Message:
        offset = self._offsets[topic] = self._offsets.get(topic, -1) + 1
        return Message(topic, offset, time_us, model.encode(), value)

    def block(self, block: Block) -> Iterator[Message]:
        """Labels first, so that those which come early do."""
        for labels in block.labels:
            value = encode_ground_truth_batch(labels)
            yield self.message(GROUND_TRUTH, labels.model, value, block.end_us)
        for requests in block.requests:
            value = encode_prediction_batch(requests.to_batch())
            yield self.message(PREDICTIONS, requests.service.name, value, block.end_us)


def rehearse(world: World) -> list[Output]:
    """Everything the core puts out for `world`, from the definitions to the last block."""
    feed = Feed()
    partition = Partition(0, CoreSettings(clock="events"))
    start_us = world.timeline.start_us
    partition.apply(
        [
            feed.message(CONTROL, event.model or "", encode_control(event)[0], start_us)
            for event in definition_events(start_us)
        ]
    )
    outputs: list[Output] = []
    for block in world.blocks():
        partition.apply(list(feed.block(block)))
        outputs += partition.checkpoint().outputs
    return outputs


def rehearsed(seed: int, *, with_faults: bool = True, seconds: float = 90.0) -> tuple[Board, Verdict]:
    """A whole demo's board and verdict."""
    world = World(seed, timeline_for(START_US, seconds), with_faults=with_faults)
    board = Board(world.services, world.faults)
    for output in rehearse(world):
        board.fold(output.topic, output.record)
    return board, judge(world.faults, board.alert_events)


def main(arguments: Sequence[str] | None = None) -> int:
    """Rehearse one seed, print its news and its verdict."""
    parser = argparse.ArgumentParser(prog="streamgauge.demo.offline")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=90.0, help="how dense: 3,500 predictions for each")
    parser.add_argument("--no-faults", action="store_true")
    args = parser.parse_args(arguments)
    world = World(args.seed, timeline_for(START_US, args.seconds), with_faults=not args.no_faults)
    board = Board(world.services, world.faults)
    news = [line for output in rehearse(world) for line in board.fold(output.topic, output.record)]
    news += board.advance(world.timeline.end_us)
    for line in sorted(news, key=lambda line: line.time_us):
        print(plain(line))
    verdict = judge(world.faults, board.alert_events)
    for line in report(verdict, board.requests):
        print(plain(line))
    return 0 if verdict.passed() else 1


if __name__ == "__main__":
    raise SystemExit(main())

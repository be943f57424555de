"""`streamgauge send`: predictions or ground truth from JSONL files to Kafka."""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import IO

from confluent_kafka import KafkaException, Producer

from streamgauge.cli.watching import add_connection, connection_of
from streamgauge.clients.connection import Connection
from streamgauge.clients.kafka_answers import partitions_of
from streamgauge.clients.producer import producer_config
from streamgauge.clients.reach import Reach
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS

_EXAMPLES = """\
example:
  streamgauge send predictions predictions.jsonl
  generate-labels | streamgauge send ground-truth -

Each line is one event in the contract's JSON form and is sent as it stands; lines that are no JSON object
with what such an event needs are named and left out. CSV, Parquet and Avro are for `streamgauge replay`.
Exit codes: 0 every line was sent, 1 some were not, 2 wrong use.
"""
#: What makes a line an event of the topic; one of them is enough.
_NEEDED = {PREDICTIONS: ("prediction", "ranked", "error"), GROUND_TRUTH: ("label", "relevance", "retracted")}
#: Lines that are left out are named up to this number.
_NAMED = 20
#: Lines wait this long for company; requests with many messages cost a broker much less.
LINGER_MS = 100


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `send`."""
    parser.epilog = _EXAMPLES
    parser.add_argument("what", choices=[PREDICTIONS, GROUND_TRUTH], help="what the lines are")
    parser.add_argument("files", nargs="+", metavar="FILE", help="JSONL; - reads standard input")
    parser.add_argument("--json", action="store_true", help="the summary as a JSON object")
    add_connection(parser)


def run(args: argparse.Namespace) -> int:
    """0 when every line was stored, 1 otherwise."""
    with ExitStack() as stack:
        files = [
            (name, sys.stdin.buffer if name == "-" else stack.enter_context(_open(name)))
            for name in args.files
        ]
        sending = _Sending(connection_of(args), args.what)
        for name, file in files:
            sending.send(name, file)
    sending.finish()
    summary = {"sent": sending.sent, "left_out": sending.left_out, "failed": sending.failed}
    if args.json:
        print(json.dumps(summary))
    else:
        print(f"{args.what}: {sending.sent:,} sent, {sending.left_out:,} left out, {sending.failed:,} failed")
    return 0 if sending.left_out == sending.failed == 0 else 1


class _Sending:
    """Lines on their way, and the counts of what became of them."""

    def __init__(self, connection: Connection, topic: str) -> None:
        self.sent = self.left_out = self.failed = 0
        self._topic, self._needed = connection.topic(topic), _NEEDED[topic]
        reach = Reach(connection)
        config = producer_config(connection, "send", linger_ms=LINGER_MS, compression_type="lz4")
        self._producer = Producer(reach.config(config), logger=reach)
        reach.check(self._producer)
        partitions_of(self._producer, self._topic)  # say at once that there is no topic
        self._told_at = time.monotonic()

    def send(self, name: str, lines: IO[bytes]) -> None:
        for number, model, line in self._events(name, lines):
            while True:
                try:
                    self._producer.produce(self._topic, line, model.encode(), on_delivery=self._delivered)
                    break
                except BufferError:
                    self._producer.poll(0.2)  # the queue is full: wait until some are stored
                except KafkaException as error:  # too long for any broker
                    self._delivered(error.args[0], None)
                    break
            self._producer.poll(0)
            self._tell(name, number)

    def finish(self) -> None:
        waiting = self._producer.flush(120)
        self.failed += waiting  # not in one step: delivery reports count in `failed` during the flush
        if sys.stderr.isatty():
            print(file=sys.stderr)

    def _events(self, name: str, lines: IO[bytes]) -> Iterator[tuple[int, str, bytes]]:
        for number, line in enumerate(lines, 1):
            line = line.strip()
            if not line:
                continue
            try:
                event = json.loads(line)
            except ValueError:
                self._leave_out(name, number, "not JSON in UTF-8: each line must be one event")
                continue
            wrong = _wrong(event, self._needed)
            if wrong:
                self._leave_out(name, number, wrong)
            else:
                yield number, event["model"], line

    def _leave_out(self, name: str, number: int, why: str) -> None:
        self.left_out += 1
        if self.left_out <= _NAMED:
            print(f"{name}:{number}: {why}", file=sys.stderr)
        elif self.left_out == _NAMED + 1:
            print("and more, which are counted", file=sys.stderr)

    def _delivered(self, error: object, _: object) -> None:
        if error is None:
            self.sent += 1
            return
        self.failed += 1
        if self.failed == 1:
            print(f"Kafka did not take a line: {error}", file=sys.stderr)

    def _tell(self, name: str, number: int) -> None:
        if sys.stderr.isatty() and time.monotonic() - self._told_at > 0.5:
            self._told_at = time.monotonic()
            print(f"\r{name}: {number:,} lines, {self.sent:,} stored", end="", file=sys.stderr)


def _wrong(event: object, needed: Sequence[str]) -> str:
    """Why a line is no event; empty for one that the workers may take.

    >>> _wrong({"model": "credit", "prediction_id": "p1", "label": "yes"}, ["prediction", "error"])
    'has no prediction or error: are these the right lines?'
    """
    if not isinstance(event, dict):
        return "not a JSON object"
    if not (isinstance(event.get("model"), str) and event["model"]):
        return "model must be a text"
    if not isinstance(event.get("prediction_id"), str):
        return "prediction_id must be a text"
    if all(event.get(name) is None for name in needed):
        return f"has no {', '.join(needed[:-1])} or {needed[-1]}: are these the right lines?"
    return ""


def _open(name: str) -> IO[bytes]:
    try:
        return open(name, "rb")
    except OSError as error:
        raise ConfigurationError(f"{name} cannot be read: {error.strerror}") from error

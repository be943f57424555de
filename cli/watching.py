"""What the commands that follow a topic have in common: their arguments, their connection, their lines."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Literal

from streamgauge.cli import arguments
from streamgauge.clients.connection import Connection
from streamgauge.clients.events import Event


def add_connection(parser: argparse.ArgumentParser) -> None:
    """Flags that win over `STREAMGAUGE_BOOTSTRAP_SERVERS` and `STREAMGAUGE_TOPIC_PREFIX`."""
    parser.add_argument("--bootstrap-servers", metavar="HOST:PORT", help="Kafka's address")
    parser.add_argument(
        "--topic-prefix", metavar="TEXT", help="what all topic names begin with (default streamgauge.)"
    )


def add_verb(
    verbs: Any, name: str, help: str, example: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    """A verb with the arguments that all of them have."""
    epilog = f"example:\n  {example}\n\nExit codes: 0 done, 1 failed, 2 wrong use."
    parser = arguments.new_verb(verbs, name, help, epilog)
    add_connection(parser)
    parser.add_argument("--model", help="only this model")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, as in the topic")
    parser.set_defaults(run_verb=run)
    return parser


def add_following(parser: argparse.ArgumentParser) -> None:
    """Where to begin and when to end."""
    parser.add_argument("--from-start", action="store_true", help="begin with the oldest record of the topic")
    parser.add_argument("--seconds", type=arguments.number(0), metavar="N", help="end after N seconds")
    parser.add_argument("--count", type=arguments.whole_number(1), metavar="N", help="end after N lines")


def connection_of(args: argparse.Namespace) -> Connection:
    """From the flags, else the environment. Raises `ConfigurationError`."""
    environ = dict(os.environ)
    if args.bootstrap_servers:
        environ["STREAMGAUGE_BOOTSTRAP_SERVERS"] = args.bootstrap_servers
    if args.topic_prefix is not None:
        environ["STREAMGAUGE_TOPIC_PREFIX"] = args.topic_prefix
    return Connection.from_environment(environ)


def start_of(args: argparse.Namespace) -> Literal["earliest", "latest"]:
    """Where the user wants to begin."""
    return "earliest" if args.from_start else "latest"


def follow(subscription: Any, args: argparse.Namespace, line: Callable[[Any], str]) -> int:
    """Print events as they come, until the time or the count is reached or Ctrl-C."""
    deadline = None if args.seconds is None else time.monotonic() + args.seconds
    shown = 0
    if sys.stderr.isatty():
        print("waiting; Ctrl-C ends", file=sys.stderr)
    while (deadline is None or time.monotonic() < deadline) and (args.count is None or shown < args.count):
        event = subscription.poll(0.2)
        if event is not None:
            show([event], args.json, line)
            shown += 1
    return 0


def show(events: Iterable[Event], as_json: bool, line: Callable[[Any], str]) -> None:
    """One line an event, at once."""
    for event in events:
        print(json.dumps(event.record, ensure_ascii=False) if as_json else line(event), flush=True)


def clock(moment: datetime) -> str:
    """A time of day today, else with its date; UTC.

    >>> clock(datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC))
    '2020-01-02 03:04:05'
    """
    moment = moment.astimezone(UTC)
    return moment.strftime("%H:%M:%S" if moment.date() == datetime.now(UTC).date() else "%Y-%m-%d %H:%M:%S")


def number(value: float | None) -> str:
    """At most four digits that count; `-` for what is undefined.

    >>> number(0.83333), number(None), number(41.0)
    ('0.8333', '-', '41')
    """
    return "-" if value is None else f"{value:.4g}"


def counted(number: int, what: str) -> str:
    """In words.

    >>> counted(1, "event"), counted(1_200, "event")
    ('1 event', '1,200 events')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def segment_text(segment: Any) -> str:
    """`` country=NO``, with a space before; empty for all traffic."""
    return "".join(f" {name}={value}" for name, value in sorted(segment.items()))

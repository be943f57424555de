"""`streamgauge topics`: create the topics, show what is there."""

import argparse
import json
from typing import Any

from streamgauge.cli.arguments import new_verb, whole_number
from streamgauge.cli.watching import add_connection
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.streams.settings import load_settings
from streamgauge.streams.topics import DEFAULT_PARTITIONS, check_topics, create_topics, describe_topics

_CREATE = """\
example:
  streamgauge topics create --partitions 12 --replication 3

The partition count is for ever: a model's key leads to its partition, and changing the count would part
models from their state. It bounds how many workers can share the load; 12 to 48 suit most fleets.
Exit codes: 0 done, also if all exist already, 1 failed, 2 wrong use.
"""
_SHOW = """\
example:
  streamgauge topics show --json

Exit codes: 0 a worker would start, 1 it would not, or no broker answers, 2 wrong use.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The verbs of `topics`."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    create = _add_verb(verbs, "create", "create whichever topics are missing", _CREATE)
    create.add_argument(
        "--partitions",
        type=whole_number(1),
        metavar="N",
        help=f"of every topic, for ever (default: as the topics that exist, else {DEFAULT_PARTITIONS})",
    )
    create.add_argument(
        "--replication",
        type=whole_number(1),
        default=1,
        metavar="N",
        help="copies of each partition (default 1)",
    )
    show = _add_verb(verbs, "show", "show the topics, and whether a worker would start on them", _SHOW)
    show.add_argument("--json", action="store_true", help="one JSON object a line")


def _add_verb(verbs: Any, name: str, help: str, epilog: str) -> argparse.ArgumentParser:
    verb = new_verb(verbs, name, help, epilog)
    add_connection(verb)
    return verb


def run(args: argparse.Namespace) -> int:
    """0 when done, 1 when a worker would refuse the topics."""
    names = ("bootstrap_servers", "topic_prefix")
    chosen = load_settings({name: getattr(args, name) for name in names if getattr(args, name) is not None})
    if args.verb == "create":
        created = create_topics(chosen.connection, partitions=args.partitions, replication=args.replication)
        for name in created:
            print(f"created {name}")
        if not created:
            print("all topics exist already")
        return 0
    topics = describe_topics(chosen.connection)
    for topic in topics:
        if args.json:
            print(json.dumps({"topic": topic.name, "partitions": topic.partitions, "config": topic.config}))
        else:
            print(f"{topic.name:40} {topic.partitions or 'missing'}")
    try:
        check_topics(topics, chosen.topic_prefix)
    except ConfigurationError as error:
        if not args.json:
            print(f"\nA worker would not start: {error}")
        return 1
    return 0

"""`streamgauge topics`: create the topics, show what is there."""

import argparse
import json

from streamgauge.schemas.errors import ConfigurationError
from streamgauge.streams.settings import load_settings
from streamgauge.streams.topics import DEFAULT_PARTITIONS, check_topics, create_topics, describe_topics

_EXAMPLES = """\
example:
  streamgauge topics create --partitions 12 --replication 3
  streamgauge topics show

The partition count is for ever: a model's key leads to its partition, and changing the count would part
models from their state. It bounds how many workers can share the load; 12 to 48 suit most fleets.
Exit codes: 0 done, 1 failed, or topics on which no worker would start, 2 wrong use.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The verbs of `topics`."""
    parser.epilog = _EXAMPLES
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    create = verbs.add_parser("create", help="create whichever topics are missing")
    create.add_argument(
        "--partitions",
        type=int,
        default=DEFAULT_PARTITIONS,
        help=f"of every topic, for ever (default {DEFAULT_PARTITIONS})",
    )
    create.add_argument("--replication", type=int, default=1, help="copies of each partition (default 1)")
    show = verbs.add_parser("show", help="show the topics, and whether a worker would start on them")
    show.add_argument("--json", action="store_true", help="one JSON object a line")
    for verb in (create, show):
        verb.add_argument("--bootstrap-servers", help="Kafka's addresses", metavar="VALUE")
        verb.add_argument("--topic-prefix", help="what all topic names begin with", metavar="VALUE")


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

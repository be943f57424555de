"""Which dead letters a command is about, by its arguments."""

import argparse

from streamgauge.cli import arguments
from streamgauge.cli.watching import connection_of
from streamgauge.clients.dead_letters import DeadLetter
from streamgauge.clients.values import microseconds
from streamgauge.schemas.errors import Reason
from streamgauge.schemas.message import INPUTS


def add_filters(verb: argparse.ArgumentParser) -> None:
    """The arguments that `filter_of` reads, beside `--model`."""
    verb.add_argument("--topic", choices=INPUTS, help="only what was refused in this topic")
    verb.add_argument("--reason", choices=[reason.value for reason in Reason], help="only for this reason")
    verb.add_argument("--since", type=arguments.moment, metavar="TIME", help="only messages not older")
    verb.add_argument("--until", type=arguments.moment, metavar="TIME", help="only messages older than this")


class Filter:
    """What all its parts let through; `said` is whether it has any. `ids` are of letters."""

    def __init__(self, args: argparse.Namespace, topic: str | None) -> None:
        self.ids: set[str] | None = None
        self._equal = {"topic": topic, "reason": args.reason, "key": args.model}
        self._since, self._until = args.since, args.until
        parts = (*self._equal.values(), self._since, self._until)
        self.said = any(part is not None for part in parts)

    def __call__(self, letter: DeadLetter) -> bool:
        at = microseconds(letter.time)
        return (
            (self.ids is None or letter.event_id in self.ids)
            and all(part in (None, getattr(letter, name)) for name, part in self._equal.items())
            and (self._since is None or at >= self._since)
            and (self._until is None or at < self._until)
        )


def filter_of(args: argparse.Namespace) -> Filter:
    """Of the arguments that `add_filters` and `add_verb` added."""
    return Filter(args, connection_of(args).topic(args.topic) if args.topic else None)

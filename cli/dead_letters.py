"""`streamgauge dead-letters`: list what was refused, show it, and send it again."""

import argparse
import getpass
import heapq
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from streamgauge.cli import arguments
from streamgauge.cli.letter_filter import Filter, add_filters, filter_of
from streamgauge.cli.progress import ProgressBar
from streamgauge.cli.watching import add_verb, clock, connection_of, counted
from streamgauge.clients.connection import Connection
from streamgauge.clients.dead_letters import DeadLetter, Retry, Survey, select, survey
from streamgauge.clients.output_encoding import OutputEncoding
from streamgauge.schemas.dead_letter import original
from streamgauge.schemas.errors import BadEvent, ConfigurationError

_LISTED = 100


def configure(parser: argparse.ArgumentParser) -> None:
    """The verbs of `dead-letters`."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    listing = add_verb(
        verbs, "list", "list what was refused, the latest last, and whether it was sent again",
        "streamgauge dead-letters list --reason unknown_schema --since 2026-11-21T10:00:00Z", list_letters,
    )  # fmt: skip
    add_filters(listing)
    listing.add_argument("--waiting", action="store_true", help="only those that were not sent again")
    listing.add_argument("--limit", type=arguments.whole_number(1), default=_LISTED, metavar="N",
                         help=f"the latest N ({_LISTED})")  # fmt: skip
    showing = add_verb(
        verbs, "show", "show one letter and what it quotes", "streamgauge dead-letters show 5:17", show
    )
    showing.add_argument("letter", metavar="LETTER", help="as the list names it: partition:offset")
    showing.add_argument("--value", action="store_true", help="only the message's value, byte by byte")
    again = add_verb(
        verbs, "retry", "send refused messages again, as they came; each only once, unless forced",
        "streamgauge dead-letters retry --reason unknown_model --dry-run", retry,
    )  # fmt: skip
    again.add_argument(
        "letters", nargs="*", metavar="LETTER", help="these letters; else those of the filters"
    )
    add_filters(again)
    again.add_argument("--limit", type=arguments.whole_number(1), metavar="N", help="N at most")
    again.add_argument("--all", action="store_true", help="every letter; needed if nothing else is said")
    again.add_argument("--force", action="store_true", help="also what was sent again already")
    again.add_argument("--dry-run", action="store_true", help="say what would be sent, and send nothing")
    again.add_argument("--yes", action="store_true", help="do not ask")
    again.add_argument("--actor", metavar="NAME", help="who says so (default: your user name)")


def run(args: argparse.Namespace) -> int:
    """Run the chosen verb."""
    code: int = args.run_verb(args)
    return code


def list_letters(args: argparse.Namespace) -> int:
    """Those that the filters let through, ordered by when they came in."""
    connection, wanted = connection_of(args), filter_of(args)
    found = survey(connection, wanted)
    reasons: Counter[str] = Counter()

    def letters() -> Iterator[DeadLetter]:
        for each in select(connection, wanted, found):
            if not (args.waiting and _sent(each, found)):
                reasons[each.reason] += 1
                yield each

    latest = heapq.nlargest(args.limit, letters(), key=lambda each: (each.time, each.position))
    for letter in reversed(latest):
        state = _sent(letter, found)
        if args.json:
            print(json.dumps(_told(letter) | {"retried": state}, ensure_ascii=False))
        else:
            print(_line(letter, state))
    if not args.json:
        matching = reasons.total()
        shown = f" of {matching:,}; --limit shows more" if len(latest) < matching else ""
        if len(latest) > 1:
            print(", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common()))
        print(f"{counted(len(latest), 'dead letter')}{shown}" if latest else "no dead letters")
    return 0


def show(args: argparse.Namespace) -> int:
    """One letter in full. Raises `ConfigurationError` if it is not there."""
    connection = connection_of(args)
    [letter], found = _named(connection, [args.letter])
    if args.value:
        sys.stdout.buffer.write(original(letter.record)[1] or b"")
        return 0
    if args.json:
        print(json.dumps(_told(letter) | {"retried": _sent(letter, found)}, ensure_ascii=False))
        return 0
    print(_line(letter, _sent(letter, found)))
    print(
        f"  length {letter.record['length']:,} bytes, refused by {letter.record.get('software') or 'unknown'}"
    )
    try:
        _, value, headers = original(letter.record)
    except BadEvent as error:
        print(f"  cannot be sent again: {error.detail}")
        return 0
    for name, content in headers:
        print(f"  header {name}: {_readable(content)}")
    print(f"  value {'none' if value is None else _readable(value)}")
    return 0


def retry(args: argparse.Namespace) -> int:
    """0 if everything was sent (or had been before), 1 if some letters cannot be."""
    connection, chosen = connection_of(args), filter_of(args)
    if not (args.letters or args.all or chosen.said):
        raise ConfigurationError("say which: letters, a filter such as --reason, or --all")
    if args.letters:
        _named(connection, args.letters)
        chosen.ids = set(args.letters)
    if args.dry_run:
        return _send(args, connection, chosen, survey(connection, chosen), None)
    counted = survey(connection, chosen)
    if not counted.wanted:
        return _send(args, connection, chosen, counted, None)
    arguments.agree(
        args, f"send the messages of {min(counted.wanted, args.limit or counted.wanted):,} letters again"
    )
    encode = OutputEncoding.from_environment(os.environ, connection)
    with Retry(connection, args.actor or getpass.getuser(), encode) as again:
        # looked at again: what another retry sent meanwhile is known now, and none goes on beside this one
        return _send(args, connection, chosen, survey(connection, chosen), again)


def _send(
    args: argparse.Namespace, connection: Connection, wanted: Filter, found: Survey, again: Retry | None
) -> int:
    counts = {"sent": 0, "sent_before": 0, "left_out": 0}
    seen = set()
    with ProgressBar("dead letters") as progress:
        for number, letter in enumerate(select(connection, wanted, found), 1):
            progress(number, found.wanted)
            if letter.origin in seen:
                continue  # of several rows of one message, which is sent as a whole
            seen.add(letter.origin)
            before = _sent(letter, found)
            if before is not None and not args.force:
                counts["sent_before"] += 1
                _tell(args, letter, "sent_before", f"sent again at {before['time']} by {before['actor']}")
                continue
            if args.limit is not None and counts["sent"] >= args.limit:
                break
            try:
                original(letter.record) if again is None else again.send(letter)
            except BadEvent as error:
                counts["left_out"] += 1
                _tell(args, letter, "left_out", error.detail)
                continue
            counts["sent"] += 1
            _tell(args, letter, "would_be_sent" if again is None else "sent", "")
    if again is not None:
        again.commit()
    if not args.json:
        would = " (a dry run: nothing was sent)" if args.dry_run else ""
        print(
            f"{counts['sent']:,} sent again, {counts['sent_before']:,} had been before, "
            f"{counts['left_out']:,} cannot be{would}"
        )
    return 1 if counts["left_out"] else 0


def _tell(args: argparse.Namespace, letter: DeadLetter, became: str, why: str) -> None:
    if args.json:
        origin = f"{letter.topic}[{letter.partition}]@{letter.offset}"
        print(json.dumps({"letter": letter.event_id, "origin": origin, "became": became, "why": why or None}))
    elif became == "left_out":
        print(f"{letter.event_id}: cannot be sent as it came: {why}", file=sys.stderr)
    elif args.dry_run or became == "sent_before":
        print(f"{became.replace('_', ' '):<13}  {_line(letter, None)}" + (f"  ({why})" if why else ""))


def _named(connection: Connection, ids: Iterable[str]) -> tuple[list[DeadLetter], Survey]:
    """The letters with these ids. Raises `ConfigurationError` if one is not there."""
    asked = set(ids)

    def wanted(letter: DeadLetter) -> bool:
        return letter.event_id in asked

    found = survey(connection, wanted)
    letters = list(select(connection, wanted, found))
    missing = asked - {letter.event_id for letter in letters}
    if missing:
        raise ConfigurationError(
            f"no dead letter is called {', '.join(sorted(missing))}; `streamgauge dead-letters list` has them"
        )
    return letters, found


def _sent(letter: DeadLetter, found: Survey) -> Mapping[str, Any] | None:
    """When and by whom its message was sent again."""
    return found.retried.get(letter.origin)


def _told(letter: DeadLetter) -> dict[str, Any]:
    return {"letter": letter.event_id, **letter.record}


def _line(letter: DeadLetter, sent: Mapping[str, Any] | None) -> str:
    """A letter as people read it."""
    again = "" if sent is None else f"  [sent again {clock(datetime.fromisoformat(sent['time']))}]"
    before = "" if letter.retry_of is None else f"  [a retry of {letter.retry_of}]"
    place = f"{letter.topic}[{letter.partition}]@{letter.offset}"
    return (
        f"{letter.event_id:<8} {clock(letter.time)}  {letter.reason:<15} {letter.key or '-'}  {place}  "
        f"{letter.detail}{again}{before}"
    )


def _readable(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return f"{content[:64].hex(' ')}{' …' if len(content) > 64 else ''} (--value writes all of it)"

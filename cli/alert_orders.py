"""`streamgauge alerts ack`, `resolve`, `silence`, `unsilence`, `silences`: what operators say of alerts."""

import argparse
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from streamgauge.cli import arguments
from streamgauge.cli.saying import add_said, control_of
from streamgauge.cli.watching import add_verb, clock, connection_of
from streamgauge.clients.alerts import latest_alerts
from streamgauge.clients.control import Control
from streamgauge.clients.events import Alert
from streamgauge.schemas.control import MATCHED_FIELDS, Silence, is_matched
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.times import format_time

_SECOND_US = 1_000_000


def configure(verbs: Any) -> None:
    """The verbs, among those of `alerts`."""
    for name, help, example, run in (
        ("ack", "say that you look after an open alert", "ack 9f2c41d0-3 --note 'on it'", acknowledge),
        ("resolve", "end an open alert", "resolve 9f2c41d0-3 --note 'rolled back'", resolve),
    ):
        verb = add_verb(verbs, name, help, f"streamgauge alerts {example}", run)
        verb.add_argument(
            "alert", metavar="ALERT", help="its id, or a beginning that no other open alert has"
        )
        add_said(verb)
    quiet = add_verb(
        verbs, "silence", "keep alerts quiet for a time, now or during maintenance to come",
        "streamgauge alerts silence --model credit --match monitor=drift --for 2h --note 'price campaign'",
        silence,
    )  # fmt: skip
    _add_matcher(quiet)
    quiet.add_argument("--from", dest="start", type=arguments.moment, metavar="TIME", help="when it begins")
    ends = quiet.add_mutually_exclusive_group(required=True)
    ends.add_argument("--for", dest="length", type=arguments.duration, metavar="DURATION", help="such as 2h")
    ends.add_argument("--until", type=arguments.moment, metavar="TIME", help="such as 2026-11-22T08:00:00Z")
    add_said(quiet)
    ended = add_verb(
        verbs, "unsilence", "end silences of a matcher before their time",
        "streamgauge alerts unsilence --model credit --match monitor=drift", unsilence,
    )  # fmt: skip
    _add_matcher(ended)
    ended.add_argument("--from", dest="start", type=arguments.moment, metavar="TIME",
                       help="the beginning of one that is still to come")  # fmt: skip
    add_said(ended)
    add_verb(
        verbs, "silences", "list the silences that hold or will hold, with who said them and why",
        "streamgauge alerts silences --json", list_silences,
    )  # fmt: skip


def acknowledge(args: argparse.Namespace) -> int:
    """0 when Kafka has stored the order."""
    return _about(args, lambda control, alert: control.acknowledge(alert.model, alert.fingerprint, args.note))


def resolve(args: argparse.Namespace) -> int:
    """0 when Kafka has stored the order."""
    return _about(args, lambda control, alert: control.resolve(alert.model, alert.fingerprint, args.note))


def silence(args: argparse.Namespace) -> int:
    """0 when Kafka has stored the order; 2 where it would hold for no alert."""
    start_us = _now_us() if args.start is None else args.start
    until_us = start_us + args.length if args.until is None else args.until
    if until_us <= max(start_us, _now_us()):
        raise ConfigurationError(f"that silence would have ended by {format_time(until_us)} already")
    matcher, who = _matcher(args), args.model or "every model"
    _silence(args, matcher, until_us, args.start)
    since = "now" if args.start is None else format_time(args.start)
    _say(args, matcher, f"{who}: silenced from {since} until {format_time(until_us)}; {_words(matcher)}")
    return 0


def unsilence(args: argparse.Namespace) -> int:
    """0 when Kafka has stored the order."""
    matcher = _matcher(args)
    start_us = args.start
    _silence(args, matcher, _now_us() if start_us is None else start_us + 1, start_us)
    _say(args, matcher, f"{args.model or 'every model'}: no longer silenced; {_words(matcher)}")
    return 0


def list_silences(args: argparse.Namespace) -> int:
    """Those that the workers hold and that are not over."""
    from streamgauge.streams.stored import DEFINED, read_stored

    found: dict[str, dict[str, Any]] = {}
    for partition in read_stored(connection_of(args), DEFINED):
        for model, said in partition.silences():
            if args.model in (None, model) and said.until_us > _now_us():
                record = _record(model, said)
                found[json.dumps(record, sort_keys=True)] = record  # each partition has those of the fleet
    for record in sorted(found.values(), key=lambda each: (each["until"], each["model"] or "")):
        print(json.dumps(record, ensure_ascii=False) if args.json else _line(record))
    if not found and not args.json:
        print("no silences")
    return 0


def _about(args: argparse.Namespace, order: Callable[[Control, Alert], None]) -> int:
    alert = _meant(args)
    if not alert.model:
        raise ConfigurationError(f"{alert.alert_id} is about a partition: it ends when what it says does")
    with control_of(args) as control:
        order(control, alert)
    if args.json:
        print(json.dumps({"alert_id": alert.alert_id, "model": alert.model, "sent": True}))
    else:
        print(f"sent: {args.verb} {alert.alert_id}, {alert.summary}")
    return 0


def _meant(args: argparse.Namespace) -> Alert:
    """The open alert whose id begins so. Raises `ConfigurationError` if there is none, or several."""
    known = latest_alerts(connection_of(args), args.model)
    found = [alert for alert in known if alert.is_open and alert.alert_id.startswith(args.alert)]
    exact = [alert for alert in found if args.alert in (alert.alert_id, alert.fingerprint)]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if found:
        ids = ", ".join(alert.alert_id for alert in found[:10])
        raise ConfigurationError(f"{len(found)} open alerts begin with {args.alert!r}: {ids}")
    raise ConfigurationError(
        f"no open alert begins with {args.alert!r}; `streamgauge alerts list` shows them"
    )


def _silence(args: argparse.Namespace, matcher: dict[str, str], until_us: int, start_us: int | None) -> None:
    with control_of(args) as control:
        start = None if start_us is None else _moment(start_us)
        control.silence(_moment(until_us), matcher, args.model, args.note, start)


def _matcher(args: argparse.Namespace) -> dict[str, str]:
    matcher: dict[str, str] = {}
    for text in args.match or ():
        field, equals, value = text.partition("=")
        if not equals or not is_matched(field):
            raise ConfigurationError(
                f"--match takes FIELD=VALUE, of {', '.join(MATCHED_FIELDS)} or segment.<key>; not {text!r}"
            )
        matcher[field] = value
    if not matcher and args.model is None:
        raise ConfigurationError("say which alerts: --match FIELD=VALUE (of every model), or --model NAME")
    return matcher


def _add_matcher(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--match", action="append", metavar="FIELD=VALUE",
        help="alerts with this value, such as monitor=drift or segment.country=NO; all, if given several",
    )  # fmt: skip


def _record(model: str | None, said: Silence) -> dict[str, Any]:
    return {
        "model": model,
        "matcher": dict(said.matcher),
        "start": format_time(said.time_us if said.start_us is None else said.start_us),
        "until": format_time(said.until_us),
        "actor": said.actor,
        "note": said.note,
    }


def _line(record: dict[str, Any]) -> str:
    start, until = (clock(datetime.fromisoformat(record[name])) for name in ("start", "until"))
    why = f": {record['note']}" if record["note"] else ""
    what = f"{record['model'] or 'every model'}; {_words(record['matcher'])}"
    return f"{start} to {until}  {what}  ({record['actor']}{why})"


def _say(args: argparse.Namespace, matcher: dict[str, str], text: str) -> None:
    print(
        json.dumps({"model": args.model, "matcher": matcher, "sent": True}) if args.json else f"sent: {text}"
    )


def _words(matcher: dict[str, str]) -> str:
    return ", ".join(f"{field}={value}" for field, value in sorted(matcher.items())) or "all alerts"


def _moment(time_us: int) -> datetime:
    return datetime.fromtimestamp(time_us / _SECOND_US, UTC)


def _now_us() -> int:
    return time.time_ns() // 1_000

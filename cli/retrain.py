"""`streamgauge retrain`: follow retrain requests, list them with their answers, ask for one, answer one."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from streamgauge.cli.saying import add_said, control_of
from streamgauge.cli.watching import add_following, add_verb, clock, connection_of, follow, number, start_of
from streamgauge.clients.events import RetrainRequest
from streamgauge.clients.retrain import RetrainRequests, RetrainStatuses
from streamgauge.schemas.control import RetrainState
from streamgauge.schemas.errors import BadEvent, ConfigurationError

_STATES = "accepted, started, succeeded, failed or declined"


def configure(parser: argparse.ArgumentParser) -> None:
    """The verbs of `retrain`."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    add_following(
        add_verb(
            verbs, "watch", "follow retrain requests as they are made",
            "streamgauge retrain watch --json --count 1", watch,
        )
    )  # fmt: skip
    add_verb(
        verbs, "list", "list retrain requests and what became of them",
        "streamgauge retrain list --model credit", list_all,
    )  # fmt: skip
    asking = add_verb(
        verbs, "request", "ask for a new model now, whatever guards say",
        "streamgauge retrain request --model credit --note 'new features'", ask,
    )  # fmt: skip
    asking.add_argument("--version", help="of this version (default: the one that was served last)")
    add_said(asking)
    answering = add_verb(
        verbs, "answer", "say how the training goes, for jobs that are no Python",
        "streamgauge retrain answer succeeded --request request.json --new-version 8", answer,
    )  # fmt: skip
    answering.add_argument("state", choices=get_args(RetrainState), metavar="STATE", help=_STATES)
    answering.add_argument(
        "--request",
        metavar="FILE",
        required=True,
        help="the request as the job was given it; - reads it here",
    )
    answering.add_argument("--new-version", metavar="V", help="what the new model is called, of `succeeded`")
    answering.add_argument("--message", help="a word to those who read the answer")


def run(args: argparse.Namespace) -> int:
    """Run the chosen verb."""
    code: int = args.run_verb(args)
    return code


def watch(args: argparse.Namespace) -> int:
    """Follow requests."""
    with RetrainRequests(
        connection_of(args),
        start=start_of(args),
        model=args.model,
        include_dry_run=True,
        include_expired=True,
    ) as requests:
        return follow(requests, args, line)


def list_all(args: argparse.Namespace) -> int:
    """Every attempt of every request with its last answer, in the order of their making."""
    connection = connection_of(args)
    answers: dict[tuple[str, int], str] = {}
    with RetrainStatuses(connection, start="earliest", stop_at_end=True) as statuses:
        for status in statuses:
            answers[status.request_id, status.attempt] = status.state
    found = 0
    with RetrainRequests(
        connection,
        start="earliest",
        stop_at_end=True,
        model=args.model,
        include_dry_run=True,
        include_expired=True,
    ) as requests:
        for request in requests:
            found += 1
            state = answers.get((request.request_id, request.attempt), "waiting")
            if args.json:
                print(json.dumps(dict(request.record) | {"state": state}, ensure_ascii=False))
            else:
                print(f"{state:<10} {line(request)}")
    if not found and not args.json:
        print("no retrain requests")
    return 0


def ask(args: argparse.Namespace) -> int:
    """0 when Kafka has stored the order; the request itself follows, unless one is in flight."""
    if args.model is None:
        raise ConfigurationError("say of which model: --model NAME")
    with control_of(args) as control:
        control.retrain(args.model, args.version, args.note)
    if args.json:
        print(json.dumps({"model": args.model, "version": args.version, "sent": True}))
    else:
        print(
            f"sent: a new {args.model} is asked for; `streamgauge retrain list` shows what becomes of it, "
            "or if no such model or version is watched, `streamgauge dead-letters list --topic control`"
        )
    return 0


def answer(args: argparse.Namespace) -> int:
    """0 when Kafka has stored the answer."""
    request = _request_in(args.request)
    if (args.state == "succeeded") is (args.new_version is None):
        raise ConfigurationError("--new-version goes with succeeded, and with nothing else")
    with RetrainRequests(connection_of(args)) as requests:
        requests.answer(request, args.state, args.new_version, args.message)
    if args.json:
        print(json.dumps({"request_id": request.request_id, "attempt": request.attempt, "state": args.state}))
    else:
        print(f"sent: {request.request_id} attempt {request.attempt} is {args.state}")
    return 0


def _request_in(path: str) -> RetrainRequest:
    """A request as it is in the topic, or in the envelope of a webhook."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
        document = json.loads(text)
        return RetrainRequest.from_record(document if "request_id" in document else document["data"])
    except (OSError, ValueError, KeyError, TypeError, BadEvent) as error:
        raise ConfigurationError(f"{path} holds no retrain request: {error}") from error


def line(request: RetrainRequest) -> str:
    """A request as people read it."""
    reasons = "; ".join(map(_reason, request.reasons))
    note = request.record.get("note")
    asked = f" ({request.record.get('actor')}: {note})" if note else ""
    dry = " (dry run)" if request.dry_run else ""
    return (
        f"{clock(request.time)}  {request.request_id} attempt {request.attempt}  {request.priority}{dry}  "
        f"{request.labels:,} labels  {reasons}{asked}"
    )


def _reason(reason: Mapping[str, Any]) -> str:
    """In words.

    >>> _reason({"monitor": "accuracy", "metric": "accuracy", "value": 0.79, "baseline": 0.9})
    'accuracy: accuracy 0.79, was 0.9'
    >>> _reason({"monitor": "manual", "metric": "manual", "value": None})
    'manual'
    """
    value, baseline = reason.get("value"), reason.get("baseline")
    if value is None:
        return str(reason["monitor"])
    was = "" if baseline is None else f", was {number(baseline)}"
    return f"{reason['monitor']}: {reason['metric']} {number(value)}{was}"

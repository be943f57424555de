"""`streamgauge budget`: what each monitor is promised, and the smallest change it will see for that."""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from streamgauge.cli.arguments import number
from streamgauge.cli.baseline_tables import table
from streamgauge.cli.watching import add_connection, connection_of
from streamgauge.schemas.errors import ConfigurationError

if TYPE_CHECKING:
    from streamgauge.streams.core.budget import ModelBudget
    from streamgauge.streams.core.model import ModelState

_EPILOG = """\
examples:
  streamgauge budget --model credit
  streamgauge budget --monitors monitors.yaml --model credit --profile credit.json --per-day 50000

Without --profile it reads what the workers have committed last. With it, it says before anything runs what a
definition would promise, and see, against that baseline. "Sees" is the smallest change that lets evidence
reach an alarm within 1,000 events, at the pace at which its bets are expected to grow; the median stream's.
Exit codes: 0 done, 1 failed, 2 wrong use.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `budget`."""
    parser.epilog = _EPILOG
    parser.add_argument("--model", help="only this model")
    parser.add_argument("--monitors", type=Path, metavar="FILE", help="definitions, and the fleet document")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="a stored baseline profile")
    parser.add_argument(
        "--per-day",
        type=number(1),
        metavar="N",
        help="predictions of a version a day (default: as they came)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a model")
    add_connection(parser)


def run(args: argparse.Namespace) -> int:
    """0 when it was shown, 1 when the state cannot be read or there is no such model."""
    from streamgauge.streams.core.budget import budget_of

    models = list(_stored(args) if args.profile is None else _planned(args))
    if not models and args.model is not None:
        raise ConfigurationError(f"the workers watch no model {args.model!r}")
    if not models and not args.json:
        print("no model is watched yet: has a worker run, and have events come?")
    for model in models:
        found = budget_of(model, args.per_day)
        if args.json:
            print(json.dumps(asdict(found), ensure_ascii=False))
        else:
            print("\n".join(_lines(found)))
    return 0


def _stored(args: argparse.Namespace) -> "Iterator[ModelState]":
    from streamgauge.cli.stored_models import restored
    from streamgauge.streams.stored import STANDING, read_stored

    if args.monitors is not None:
        raise ConfigurationError("--monitors needs --profile: without it, the workers' definitions hold")
    connection = connection_of(args)
    for _, model in restored(read_stored(connection, STANDING), connection.prefix):
        if args.model in (None, model.definition.model):
            yield model


def _planned(args: argparse.Namespace) -> "Iterator[ModelState]":
    """A model as it would stand once its streams are paid."""
    from streamgauge.cli.definition_files import read_valid
    from streamgauge.schemas.monitor import Fleet, MonitorDefinition
    from streamgauge.streams.core.context import Context
    from streamgauge.streams.core.model import ModelState
    from streamgauge.streams.profile_files import read_profile

    if args.per_day is None:
        raise ConfigurationError("say with --per-day how many predictions a day are to be expected")
    checked = [] if args.monitors is None else [c for c, _ in read_valid([str(args.monitors)]).values()]
    defined = [definition for each in checked for definition in each.definitions]
    fleet = next((each.fleet for each in checked if each.fleet is not None), Fleet())
    wanted = [d for d in defined if args.model in (None, d.model)]
    if len(wanted) != 1 and args.model is None and defined:
        raise ConfigurationError("the profile is that of one model: say with --model of which")
    if defined and not wanted:
        there = ", ".join(d.model for d in defined)
        raise ConfigurationError(f"{args.monitors} defines no model {args.model!r}; it defines {there}")
    definition = wanted[0] if wanted else MonitorDefinition(model=args.model or "model")
    model = ModelState(definition, Context(0, "", "", fleet, {}))
    model.intake.version("").rebase(read_profile(args.profile))
    yield model


def _lines(found: "ModelBudget") -> Iterator[str]:
    days = f"{found.horizon_days:g} days"
    yield f"{found.model}  {found.promised:.3g} false alarms in {days} promised, {found.paid:.3g} paid so far"
    yield f"  {found.alerts} alert{'s' * (found.alerts != 1)} of evidence opened"
    rows = [
        [
            f"  {m.version or '(none)'}", m.monitor, f"{m.streams:,}", f"{m.share:.1%}", f"{m.promised:.2g}",
            f"{m.alerts:,}", m.sees or "-",
        ]
        for m in found.monitors
    ]  # fmt: skip
    header = ["  version", "monitor", "streams", "share", "promised", "alerts", "sees in 1,000 events"]
    yield from table(header, rows, left=2)

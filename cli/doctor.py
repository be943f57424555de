"""`streamgauge doctor`: what stands between these settings and a working cluster, and what to do about it."""

import argparse
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from streamgauge.cli.arguments import number, whole_number
from streamgauge.cli.definition_files import read_valid
from streamgauge.cli.watching import add_connection
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.schemas.telling import redacted
from streamgauge.streams.checked import Checked

if TYPE_CHECKING:
    from streamgauge.streams.settings import WorkerSettings

_EXAMPLES = """\
examples:
  streamgauge doctor
  streamgauge doctor --role serving --json
  streamgauge doctor --rate 200 --monitors monitors.yaml --features 30

It looks at brokers, topics and their settings, permissions, clocks, the workers' state and whether they keep
up; each line is ok, warn, fail or skip, with what to do. With --rate it needs no Kafka: it says how much
memory each model of a file takes. Exit codes: 0 nothing fails, 1 something does, 2 wrong use.
"""
_ROLES = ("worker", "serving", "training", "operator")
_GIB = 1 << 30
#: Of one model; beyond it a worker is hard to restart in time.
_MUCH_BYTES = 4 * _GIB
_BOUND_ADVICE = "set STREAMGAUGE_STATE_DIR: what is not looked at is on disk then; or run more workers"


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `doctor`."""
    parser.epilog = _EXAMPLES
    parser.add_argument(
        "--role", choices=_ROLES, default="worker", help="whose permissions to check (default worker)"
    )
    parser.add_argument(
        "--probe",
        action="store_true",
        help="compare clocks by a record in a topic made for it, and deleted; show the broker a forged token",
    )
    parser.add_argument("--rate", type=number(0), metavar="N", help="predictions a second of each model")
    parser.add_argument("--monitors", metavar="FILE", help="the definitions to size (default: all defaults)")
    parser.add_argument(
        "--features",
        type=whole_number(0, 1_000),
        default=0,
        metavar="N",
        help="of an event, if more than declared",
    )
    parser.add_argument(
        "--segments",
        type=whole_number(0, 1_000),
        default=0,
        metavar="N",
        help="values of segment keys in use",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    add_connection(parser)


def run(args: argparse.Namespace) -> int:
    """0 when nothing fails, 1 otherwise."""
    if args.rate is None:
        if args.monitors or args.features or args.segments:
            raise ConfigurationError("to size a model, say its --rate, in predictions a second")
        return _show(_examined(args), args.json)
    return _show(_sized(args), args.json)


def _examined(args: argparse.Namespace) -> Iterator[Checked]:
    from streamgauge.streams.diagnosis import examine
    from streamgauge.streams.settings import load_settings

    names = ("bootstrap_servers", "topic_prefix")
    chosen = load_settings({name: getattr(args, name) for name in names if getattr(args, name) is not None})
    return examine(chosen, args.role, args.probe)


def _sized(args: argparse.Namespace) -> Iterator[Checked]:
    from streamgauge.streams.settings import load_settings
    from streamgauge.streams.sizing import size_of

    settings = load_settings({})
    definitions = [MonitorDefinition(model="a model")]
    if args.monitors:
        files = read_valid([args.monitors], "nothing was sized")
        definitions = [definition for checked, _ in files.values() for definition in checked.definitions]
    total = least = 0
    for definition in definitions:
        sizing = size_of(definition, args.rate, args.features, args.segments)
        total += sizing.total_bytes
        least += sizing.least_bytes
        what = (
            f"{sizing.model}: {_size(sizing.total_bytes)} of a worker's memory for each live version: "
            f"{sizing.rows:,} predictions that a label can still reach "
            f"{_size(sizing.rows * sizing.row_bytes)}, "
            f"{sizing.windows:,} windows {_size(sizing.windows * sizing.window_bytes)}, "
            f"baseline and evidence {_size(sizing.other_bytes)}; "
            f"{_size(sizing.least_bytes)} with all on disk that can be"
        )
        much = sizing.total_bytes > _MUCH_BYTES
        advice = "shorten labels.ttl, log a sample (sample_rate), or take longer windows" if much else None
        yield Checked("sizing", "warn" if much else "ok", what, advice)
    if len(definitions) > 1:
        yield Checked("sizing", "ok", f"all {len(definitions)} models: {_size(total)}")
    yield _bounded(settings, total, least)


def _bounded(settings: "WorkerSettings", total: int, least: int) -> Checked:
    """Whether one worker that has all of them can keep to its `max_memory`."""
    plan = settings.memory
    bound = f"STREAMGAUGE_MAX_MEMORY, {_size(plan.most_bytes)}, leaves {_size(plan.state_bytes)} to state"
    if settings.state_dir is None:
        said = f"{bound}, and is not kept without STREAMGAUGE_STATE_DIR: all state stays in memory"
        holds = total <= plan.state_bytes
        return Checked("memory", "ok" if holds else "warn", said, None if holds else _BOUND_ADVICE)
    if least > plan.state_bytes:
        needed = _size(plan.most_for(least))
        said = f"{bound}; these models take {_size(least)} at least, if one worker has them all"
        return Checked("memory", "warn", said, f"raise it to {needed}, or run more workers")
    return Checked("memory", "ok", f"{bound}; these models take {_size(least)} of it at least")


def _show(found: Iterable[Checked], as_json: bool) -> int:
    failed = False
    for checked in found:
        checked = replace(checked, what=redacted(checked.what))
        failed |= checked.status == "fail"
        if as_json:
            print(json.dumps(asdict(checked), ensure_ascii=False), flush=True)
            continue
        print(f"{checked.status:<5} {checked.check:<12} {checked.what}", flush=True)
        if checked.advice is not None:
            print(f"{'':<18} → {checked.advice}", flush=True)
    return 1 if failed else 0


def _size(count: float) -> str:
    """Bytes, for people.

    >>> _size(512), _size(3_400_000), _size(8_600_000_000)
    ('512 B', '3.2 MiB', '8.0 GiB')
    """
    for unit in ("B", "KiB", "MiB"):
        if count < 1_024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1_024
    return f"{count:.1f} GiB"

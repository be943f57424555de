"""`streamgauge replay`: a history of events, in files or in Kafka, through the same core as the worker's."""

import argparse
import gc
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from streamgauge.cli import arguments, differences
from streamgauge.cli.progress import ProgressBar
from streamgauge.cli.watching import add_connection, connection_of, counted
from streamgauge.clients.connection import Connection
from streamgauge.clients.schema_resolver import resolver_of
from streamgauge.schemas.control import AdoptBaseline, ControlEvent, Define, encode_control
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.framing import Resolver
from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS
from streamgauge.schemas.monitor import Fleet
from streamgauge.schemas.times import EARLIEST_US
from streamgauge.streams.core.partition import CoreSettings
from streamgauge.streams.custom_metrics import allowed_metrics
from streamgauge.streams.definitions import check
from streamgauge.streams.episodes import differences as between
from streamgauge.streams.profile_files import profile_of
from streamgauge.streams.replay import History, Replayed, Variant, definitions_as_control, replay
from streamgauge.streams.settings import load_settings
from streamgauge.streams.sources.history import FileHistory
from streamgauge.streams.sources.layout import meant

_EXAMPLES = """\
examples:
  streamgauge replay --predictions predictions.jsonl --ground-truth labels.jsonl \\
      --monitors monitors.yaml --out replayed
  streamgauge replay --predictions predictions.parquet --ground-truth labels.csv \\
      --monitors monitors.yaml --what-if stricter.yaml
  streamgauge replay --from-topics --since 2026-11-01T00:00:00Z --monitors monitors.yaml --out replayed

Files are JSONL, CSV, Parquet or Avro container files. They are read as they are merged by event time, so
they should be sorted by it. DIR receives metrics.jsonl, alerts.jsonl, retrain-requests.jsonl and
dead-letters.jsonl; the same input gives the same bytes. A dead letter names the file and the line or row.
Exit codes: 0 replayed, whatever was found in it, 1 failed, 2 wrong use.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `replay`."""
    parser.epilog = _EXAMPLES
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--predictions", type=Path, metavar="FILE", help="JSONL, CSV, Parquet or Avro")
    source.add_argument("--from-topics", action="store_true", help="what Kafka still holds; joins no group")
    parser.add_argument("--ground-truth", type=Path, metavar="FILE", help="labels, in any of these formats")
    parser.add_argument("--monitors", type=Path, metavar="FILE", help="YAML definitions and fleet document")
    parser.add_argument(
        "--what-if", type=Path, metavar="FILE", help="other definitions: prints which alerts would differ"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where the results go; those of --what-if in DIR/what-if"
    )
    for name, meaning in (("since", "from"), ("until", "before")):
        parser.add_argument(
            f"--{name}",
            type=arguments.moment,
            metavar="TIME",
            help=f"with --from-topics: what the broker stored {meaning} TIME, RFC 3339",
        )
    add_connection(parser)
    parser.add_argument("--json", action="store_true", help="the summary as one JSON object")


def run(args: argparse.Namespace) -> int:
    """0 when the history was replayed, whatever was found in it."""
    if args.out is None and args.what_if is None:
        raise SystemExit(_wrong_use("say where the results go, with --out, or compare, with --what-if"))
    if args.from_topics and args.ground_truth is not None:
        raise SystemExit(_wrong_use("--from-topics reads the labels from Kafka too, without --ground-truth"))
    if not args.from_topics and (args.since is not None or args.until is not None):
        raise SystemExit(_wrong_use("--since and --until go with --from-topics"))
    files = [args.monitors, *([] if args.what_if is None else [args.what_if])]
    outs = [args.out, None if args.out is None else args.out / "what-if"]
    with ExitStack() as opened:
        watched = [_read_monitors(file) for file in files]
        connection = connection_of(args) if args.from_topics else None
        resolve = None if connection is None else resolver_of(connection.schema_registry)
        history, prefix = _history(args, connection, resolve, opened)
        metrics = allowed_metrics(load_settings({}).custom_metrics)
        clock: Any = "wall" if args.from_topics else "events"
        variants = [
            Variant(
                CoreSettings(fleet=fleet, clock=clock, prefix=prefix, metrics=metrics, resolve=resolve),
                control,
                out,
                orders=file is None,
            )
            for file, (fleet, control), out in zip(files, watched, outs, strict=False)
        ]
        opened.enter_context(_few_collections())
        results = replay(history, variants, opened.enter_context(ProgressBar("replaying")))
    if args.json:
        print(json.dumps(_summary(results)))
        return 0
    if len(results) == 1:
        print(_sentence(results[0], args.out))
        for line in (*_refused(results[0], args.out), *_doubtful(results[0])):
            print(line, file=sys.stderr)
        return 0
    a = "the defaults" if args.monitors is None else args.monitors.name
    b = args.what_if.name if args.what_if.name != a else str(args.what_if)
    for line in differences.as_table(_compared(results), a, b):
        print(line)
    return 0


@contextmanager
def _few_collections() -> Iterator[None]:
    """State has no cycles: to walk it again and again took a seventh of a replay's time."""
    usual = gc.get_threshold()
    gc.set_threshold(50_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _history(
    args: argparse.Namespace, connection: Connection | None, resolve: Resolver | None, opened: ExitStack
) -> tuple[History, str]:
    """What to replay, and the prefix of its topics."""
    if connection is not None:
        from streamgauge.streams.sources.topics import TopicHistory

        bounds: Any = {"since_us": args.since, "until_us": args.until}
        topics = TopicHistory(connection, **bounds, orders=args.monitors is None, resolve=resolve)
        return opened.enter_context(topics), connection.prefix
    paths = {PREDICTIONS: args.predictions}
    if args.ground_truth is not None:
        paths[GROUND_TRUTH] = args.ground_truth
    files = opened.enter_context(FileHistory(paths))
    for source in files.sources:
        if source.unread:
            names = ", ".join(meant(source.topic, name) for name in source.unread)
            print(f"{source.path}: columns that are not read: {names}", file=sys.stderr)
    return files, CoreSettings().prefix


def _read_monitors(path: Path | None) -> tuple[Fleet, Any]:
    """The fleet document and the definitions as orders. Raises `ConfigurationError`."""
    if path is None:
        return Fleet(), ()
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"cannot read {path}: it is not a text in UTF-8") from error
    checked = check(str(path), text)
    if checked.problems:
        raise ConfigurationError("\n".join(map(str, checked.problems)))
    orders: list[ControlEvent] = []
    for definition in checked.definitions:
        said: Any = {"actor": "replay", "time_us": EARLIEST_US, "model": definition.model}
        orders.append(Define(**said, document=definition.model_dump(mode="json")))
        profile = profile_of(definition, path.parent)
        if profile is not None:
            orders.append(AdoptBaseline(**said, document=profile.to_json()))
    return checked.fleet or Fleet(), definitions_as_control([encode_control(order)[0] for order in orders])


def _summary(results: list[Replayed]) -> dict[str, Any]:
    counts = [{**result.counts, "still_open": _still_open(result)} for result in results]
    if len(counts) == 1:
        return counts[0]
    return {"counts": dict(zip("ab", counts, strict=True)), **differences.as_json(_compared(results))}


def _compared(results: list[Replayed]) -> Any:
    a, b = results
    return between(a.episodes.episodes(), b.episodes.episodes())


def _sentence(result: Replayed, out: Path) -> str:
    counts = result.counts
    odd = [f"{counts[name]:,} {said}" for name, said in _ODD.items() if counts[name]]
    applied, metrics = counted(counts["applied"], "event"), counted(counts["metrics"], "metric")
    alerts = f"{counted(counts['alerts'], 'alert record')} ({_still_open(result):,} still open at the end)"
    requests = counted(counts["retrain-requests"], "retrain request")
    return f"{applied} applied, {', '.join(odd) or 'none refused'}: {metrics}, {alerts}, {requests} in {out}"


def _still_open(result: Replayed) -> int:
    """How many alerts the history did not see the end of."""
    return sum(episode.ended_at is None for episode in result.episodes.episodes())


def _refused(result: Replayed, out: Path) -> Iterator[str]:
    """Why something was, each reason with the first example, the most frequent first."""
    for reason, (count, first) in sorted(result.refused.items(), key=lambda found: -found[1][0]):
        told = first if len(first) <= _EXAMPLE else f"{first[:_EXAMPLE]}…"
        yield f"refused: {count:,} {reason}; the first: {told}"
    if result.refused:
        yield f"{out / 'dead-letters.jsonl'} has all of them"


def _doubtful(result: Replayed) -> Iterator[str]:
    """What seems to be wrong with definitions, of the first models."""
    for name, doubts in sorted(result.doubts.items())[:_MODELS]:
        yield from (f"doubtful: {name}: {doubt}" for doubt in doubts)
    if len(result.doubts) > _MODELS:
        yield f"doubtful: {len(result.doubts) - _MODELS:,} models more"


#: Characters of an example, and models that are named.
_EXAMPLE, _MODELS = 200, 5
#: Entries of the ledger that are told where there are any.
_ODD = {
    "dead_lettered": "refused",
    "duplicate": "that had come before",
    "late": "late",
    "capped": "with a time from the future",
}


def _wrong_use(message: str) -> int:
    print(f"streamgauge replay: {message}\nTry: streamgauge replay --help", file=sys.stderr)
    return 2

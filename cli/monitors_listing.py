"""`streamgauge monitors list`: where each model stands, and why each of its monitors is quiet."""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from streamgauge.cli.stored_models import restored
from streamgauge.cli.watching import connection_of
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.message import INPUTS
from streamgauge.schemas.times import format_time
from streamgauge.streams.stored import STANDING, StoredPartition, read_stored

if TYPE_CHECKING:
    from streamgauge.streams.core.status import ModelStatus, VersionStatus

_ORDER = ("alert", "quiet", "learning", "waiting", "off")


def list_all(args: argparse.Namespace) -> int:
    """0 when what the workers have committed was shown, 1 when it cannot be read or has no such model."""
    connection = connection_of(args)
    partitions = read_stored(connection, STANDING, _progress)
    if sys.stderr.isatty():
        print(end="\r", file=sys.stderr)
    found = 0
    for partition, model in _models(partitions, connection.prefix):
        if args.model in (None, model.model):
            found += 1
            behind_s = None if model.watermark_us is None else time.time() - model.watermark_us / 1e6
            if args.json:
                place = {"partition": partition.number, "lag": dict(partition.lag), "behind_s": behind_s}
                print(json.dumps(asdict(model) | place, ensure_ascii=False))
            else:
                print("\n".join(_lines(partition, model, behind_s, args.all)))
    if not found and args.model is not None:
        raise ConfigurationError(f"the workers watch no model {args.model!r}")
    if not found and not args.json:
        print("no model is watched yet: has a worker run, and have events come?")
    return 0


def _models(
    partitions: list[StoredPartition], prefix: str
) -> "Iterator[tuple[StoredPartition, ModelStatus]]":
    from streamgauge.streams.core.status import status_of

    for partition, model in restored(partitions, prefix):
        yield partition, status_of(model)


def _lines(
    partition: StoredPartition, model: "ModelStatus", behind_s: float | None, everything: bool
) -> Iterator[str]:
    lag = {topic: partition.lag[topic] for topic in INPUTS if partition.lag[topic]}
    waits = ", ".join(f"{count:,} of {topic}" for topic, count in lag.items())
    seen = "no event yet" if behind_s is None else f"watermark {model.watermark}, {_ago(behind_s)}"
    yield f"{model.model}  {model.task or 'task not known yet'}  partition {partition.number}"
    yield f"  {seen}; {'records not applied: ' + waits if waits else 'all records applied'}"
    held = f", the next is held back: {model.retrain_held}" if model.retrain_held else ""
    yield f"  {model.pending:,} predictions wait for labels; retrain request: {model.retrain}{held}"
    promised = f"{model.promised:.2g} false alarms in {model.horizon_days:g} days"
    yield f"  alarm budget: {promised} promised, {model.paid:.2g} paid so far"
    yield from (f"  doubtful: {doubt}" for doubt in model.doubts)
    for version in model.versions:
        if not version.superseded or everything:
            yield from _version_lines(version)


def _version_lines(version: "VersionStatus") -> Iterator[str]:
    coverage = "-" if version.coverage is None else f"{version.coverage:.2f}"
    superseded = ", superseded" if version.superseded else ""
    alerts = f"{len(version.alerts)} open alert{'s' * (len(version.alerts) != 1)}"
    yield f"  version {version.version or '(none)'}{superseded}: coverage {coverage}, {alerts}"
    if version.adopted is not None:
        order = version.adopted
        why = f": {order.note}" if order.note else ""
        place = order.after or "one that is learned anew"
        yield f"    {order.actor} replaced the baseline by {place} at {format_time(order.time_us)}{why}"
    for remark in version.remarks:
        yield f"    baseline  {remark.feature or 'as a whole':<22} {remark.text}"
    for monitor in sorted(version.monitors, key=lambda each: _ORDER.index(each.state)):
        yield f"    {monitor.state:<9} {monitor.monitor:<22} {monitor.why}"


def _ago(seconds: float) -> str:
    """How long ago the watermark's time was.

    >>> _ago(42.4), _ago(4_000), _ago(400_000)
    ('42 s ago', '67 min ago', '111 h ago')
    """
    if seconds < 120:
        return f"{seconds:.0f} s ago"
    return f"{seconds / 60:.0f} min ago" if seconds < 7_200 else f"{seconds / 3_600:.0f} h ago"


def _progress(records: int) -> None:
    if sys.stderr.isatty() and records:
        print(f"\rreading state: {records:,} records", end="", file=sys.stderr, flush=True)

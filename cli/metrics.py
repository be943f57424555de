"""`streamgauge metrics`: follow the windows' metrics."""

import argparse

from streamgauge.cli.watching import (
    add_following,
    add_verb,
    clock,
    connection_of,
    follow,
    number,
    segment_text,
    start_of,
)
from streamgauge.clients.events import Metric
from streamgauge.clients.metrics import MetricSubscription


def configure(parser: argparse.ArgumentParser) -> None:
    """The verbs of `metrics`."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    parser = add_verb(
        verbs, "watch", "follow the metrics of each window, and their restatements",
        "streamgauge metrics watch --model credit --metric accuracy", watch,
    )  # fmt: skip
    parser.add_argument("--metric", action="append", help="only this metric; may be repeated")
    add_following(parser)


def run(args: argparse.Namespace) -> int:
    """Run the chosen verb."""
    code: int = args.run_verb(args)
    return code


class _Chosen(MetricSubscription):
    """Only metrics of some names."""

    def __init__(self, names: frozenset[str], *arguments: object, **settings: object) -> None:
        self._names = names
        super().__init__(*arguments, **settings)  # type: ignore[arg-type]

    def _is_wanted(self, event: Metric) -> bool:
        return (not self._names or event.metric in self._names) and super()._is_wanted(event)


def watch(args: argparse.Namespace) -> int:
    """Follow metrics."""
    names = frozenset(args.metric or ())
    with _Chosen(names, connection_of(args), start=start_of(args), model=args.model) as metrics:
        return follow(metrics, args, line)


def line(metric: Metric) -> str:
    """A metric as people read it."""
    name = metric.metric + "".join(f" {part}" for part in (metric.feature, metric.group) if part)
    interval = "" if metric.low is None else f" [{number(metric.low)}, {number(metric.high)}]"
    return (
        f"{clock(metric.window.start)}  {metric.model} {metric.version}{segment_text(metric.segment)}  "
        f"{name} = {number(metric.value)}{interval}  n={metric.n}  {metric.status} r{metric.revision}"
    )

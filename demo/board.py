"""What the demo has seen on the topics so far: a row for each version, the open alerts, the news in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from streamgauge.demo.faults import MINUTE_US, Fault
from streamgauge.demo.news import Line
from streamgauge.demo.services import Service
from streamgauge.demo.successors import Successors
from streamgauge.demo.verdict import ENDED
from streamgauge.schemas.message import ALERTS, METRICS, RETRAIN_REQUESTS, RETRAIN_STATUS
from streamgauge.schemas.times import parse_time

#: The one number that says how good a model is, by its task.
QUALITY = {"binary": "accuracy", "regression": "mean_absolute_error"}


def quality(record: Mapping[str, Any] | None) -> str:
    """A record of the one number, with its 95 % interval; empty where there is none.

    >>> quality({"metric": "accuracy", "value": 0.912, "low": 0.9, "high": 0.93})
    'accuracy 91.2% (90.0%–93.0%)'
    """
    if record is None:
        return ""
    name, form = ("accuracy", ".1%") if record["metric"] == "accuracy" else ("MAE", ".2f")
    shown = f"{name} {record['value']:{form}}"
    return shown if record["low"] is None else f"{shown} ({record['low']:{form}}–{record['high']:{form}})"


@dataclass(slots=True)
class Row:
    """What is known of one version: the newest window of each metric, and its open alerts by id."""

    service: Service
    version: str
    window_us: int | None = None
    events: dict[int, int] = field(default_factory=dict)
    metrics: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    open: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def judged(self) -> int:
        """Predictions in the windows that have closed."""
        return sum(self.events.values())

    @property
    def window_end_us(self) -> int | None:
        """The end of the last window that closed."""
        return parse_time(self.metrics["throughput_per_s"]["window"]["end"]) if self.events else None

    @property
    def measured(self) -> Mapping[str, Any] | None:
        """The newest record of what says how good it is, if that is known."""
        record = self.metrics.get(QUALITY[self.service.task])
        return None if record is None or record["value"] is None else record

    @property
    def quality(self) -> str:
        """That with its 95 % interval; empty while unknown."""
        return quality(self.measured)

    @property
    def latency(self) -> str:
        """The 99th percentile of latency in the last window; empty while unknown."""
        record = self.metrics.get("latency_p99_ms")
        return "" if record is None or record["value"] is None else f"{record['value']:.0f} ms"


class Board:
    """Folds output records and the passing of event time into rows and news.

    >>> Board((), ()).requests
    0
    """

    def __init__(self, services: Sequence[Service], faults: Sequence[Fault]) -> None:
        #: By model and version; those that are served first, new ones as they come.
        self.rows = {(service.name, service.version): Row(service, service.version) for service in services}
        self.successors = Successors()
        self.alert_events: list[Mapping[str, Any]] = []
        self.requests = 0
        self._services = {service.name: service for service in services}
        self._starts = sorted(faults, key=lambda f: f.start_us)
        self._ends = sorted((fault for fault in faults if not fault.stays), key=lambda f: f.end_us)
        self._now_us = 0

    def advance(self, now_us: int) -> list[Line]:
        """What begins or ends by itself up to `now_us`, in event time."""
        lines = []
        self._now_us = now_us
        while self._starts and self._starts[0].start_us <= now_us:
            fault = self._starts.pop(0)
            lines.append(Line(fault.start_us, "▼", f"{fault.model}: {fault.story}", "fault"))
        while self._ends and self._ends[0].end_us <= now_us:
            fault = self._ends.pop(0)
            lines.append(Line(fault.end_us, "△", f"{fault.model}: {fault.story}: over", "quiet"))
        return sorted(lines, key=lambda line: line.time_us)

    def fold(self, topic: str, record: Mapping[str, Any]) -> list[Line]:
        """One record of metrics, alerts, retrain requests or their answers (`topic` without its prefix)."""
        service = self._services.get(record["model"])
        if service is None:
            return []
        if topic == RETRAIN_STATUS:
            return self.successors.answered(record, self._now_us)
        version = record["version"]
        row = self.rows.setdefault((service.name, version), Row(service, version))
        if topic == METRICS:
            if record.get("verdict") is not None:
                return self.successors.compared(record)
            self._measure(row, record)
            return []
        if topic == ALERTS:
            return self._alert(row, record)
        if topic == RETRAIN_REQUESTS:
            self.requests += 1
            self.successors.asked(record)
            reasons = ", ".join(sorted({reason["monitor"] for reason in record["reasons"]}))
            text = (
                f"{record['request_id']}: please retrain, {record['labels']:,} labels, because of {reasons}"
            )
            return [Line(parse_time(record["time"]), "↻", text, "retrain")]
        return []

    def windows_end_us(self) -> int:
        """How far every model has been judged; 0 if one has not been at all."""
        ends = dict.fromkeys(self._services, 0)
        for (model, _), row in self.rows.items():
            ends[model] = max(ends[model], row.window_end_us or 0)
        return min(ends.values(), default=0)

    def _measure(self, row: Row, record: Mapping[str, Any]) -> None:
        if record["segment"] or record["group"] or record["feature"]:
            return
        metric, start = record["metric"], record["window"]["start"]
        length_us = parse_time(record["window"]["end"]) - parse_time(start)
        row.window_us = row.window_us or length_us  # windows come before the hour and the day they belong to
        if length_us > row.window_us:
            return
        if metric == "throughput_per_s":
            row.events[parse_time(start)] = record["n"]
        known = row.metrics.get(metric)
        if known is None or known["window"]["start"] <= start:
            row.metrics[metric] = record

    def _alert(self, row: Row, record: Mapping[str, Any]) -> list[Line]:
        self.alert_events.append(record)
        time_us = parse_time(record["time"])
        if record["state"] in ENDED:
            row.open.pop(record["alert_id"], None)
            minutes = (time_us - parse_time(record["opened_at"])) / MINUTE_US
            text = f"{record['model']} {record['monitor']}: {record['state']} after {minutes:.0f} min"
            if record["because"] is not None:
                text += f": {record['summary'].rpartition('; ')[2]}"
            return [Line(time_us, "✓", text, "ended")]
        before = row.open.get(record["alert_id"])
        row.open[record["alert_id"]] = record
        if before is None:
            return [Line(time_us, "●", f"{record['monitor']}: {record['summary']}", "alert")]
        if len(record["related"]) <= len(before["related"]):
            return []
        told = next(part for part in record["summary"].split("; ") if part.startswith("with it "))
        latest = told.removeprefix("with it ").rpartition(", and ")[2]
        text = f"{record['model']} {record['monitor']}: with it {latest}"
        return [Line(time_us, "○", text, "alert")]

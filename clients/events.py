"""What subscribers receive: typed views of alerts, metrics and retrain requests, with the whole record."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple, Self, get_args, get_type_hints

from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.times import read_time

Segment = Mapping[str, str]
Record = Mapping[str, Any]


class Position(NamedTuple):
    """Where an event lies."""

    topic: str
    partition: int
    offset: int


class OffsetRange(NamedTuple):
    """Records of one partition; `end` is exclusive."""

    topic: str
    partition: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`record` is the contract's JSON form, with fields that a newer worker may have added."""

    position: Position = field(repr=False, compare=False)
    record: Record = field(repr=False, compare=False)

    @property
    def event_id(self) -> str:
        """The same each time that this event is delivered."""
        raise NotImplementedError

    @classmethod
    def from_record(cls, record: Record, position: Position | None = None) -> Self:
        """Raises `BadEvent` if a field that every such record has is not there."""
        values: dict[str, Any] = {}
        try:
            for name, optional, read in _plan(cls):  # type: ignore[arg-type]  # a class is hashable
                value = record.get(name)
                if value is None and not optional:
                    raise BadEvent(Reason.MISSING_FIELD, f"{name} is not given")
                values[name] = None if value is None else read(value)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BadEvent(Reason.WRONG_TYPE, f"{name} cannot be read: {error!r}") from error
        return cls(position=position or Position("", -1, -1), record=record, **values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert(Event):
    """One step of an alert's episode. `value` lies in `low` to `high` with 95 % confidence, and the
    change began between `onset_low` and `onset_high`."""

    alert_id: str
    fingerprint: str
    episode: int
    sequence: int
    state: str
    severity: str
    model: str
    version: str
    monitor: str
    metric: str
    segment: Segment
    value: float | None
    low: float | None
    high: float | None
    baseline: float | None
    compared_with: str | None
    limit: float | None
    budgeted: bool | None
    n: int
    onset: datetime | None
    onset_low: datetime | None
    onset_high: datetime | None
    opened_at: datetime
    time: datetime
    contributors: tuple[Record, ...] | None
    carried_by: tuple[Record, ...] | None
    prediction_shift: Record | None
    coincidences: tuple[Record, ...] | None
    related: tuple[Record, ...] | None
    because: str | None
    offsets: tuple[OffsetRange, ...] | None
    summary: str
    runbook_url: str | None
    reason: str | None
    route: str | None
    flapping: bool | None
    holds_back: tuple[str, ...] | None

    @property
    def event_id(self) -> str:
        return f"{self.alert_id}:{self.sequence}"

    @property
    def is_open(self) -> bool:
        """Whether the episode goes on."""
        return self.state in ("opened", "updated", "acknowledged")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A half-open range of event time."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric(Event):
    """One value of a window; the highest `revision` counts. `value` is None when it is undefined."""

    model: str
    version: str
    segment: Segment
    window: Window
    metric: str
    feature: str | None
    group: str | None
    value: float | None
    low: float | None
    high: float | None
    n: int
    coverage: float | None
    status: str
    revision: int
    compared_with: str | None
    verdict: str | None

    @property
    def event_id(self) -> str:
        segment = ",".join(f"{name}={value}" for name, value in sorted(self.segment.items()))
        where = (
            self.model,
            self.version,
            segment,
            self.window.start.isoformat(),
            self.window.end.isoformat(),
        )
        about = (self.feature, self.group, self.record.get("class"), self.compared_with)
        return "|".join((*where, self.metric, *(name or "" for name in about), str(self.revision)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainRequest(Event):
    """A request to train a model anew: why (`reasons`), on what (`data`), until when."""

    request_id: str
    model: str
    version: str
    attempt: int
    reasons: tuple[Record, ...]
    data: Record
    features: tuple[str, ...] | None
    segments: tuple[Segment, ...] | None
    label_coverage: float | None
    labels: int
    priority: str
    dry_run: bool
    time: datetime
    expires_at: datetime

    @property
    def event_id(self) -> str:
        return f"{self.request_id}:{self.attempt}"

    @property
    def data_offsets(self) -> tuple[OffsetRange, ...]:
        """The records of predictions and ground-truth that hold the data."""
        return _offset_ranges(self.data.get("offsets", ()))

    @property
    def data_start(self) -> datetime | None:
        """First event time of the data."""
        return _moment(self.data.get("start"))

    @property
    def data_end(self) -> datetime | None:
        """End of the data's event time, exclusive."""
        return _moment(self.data.get("end"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Event):
    """What a training job answered to one attempt of a request."""

    request_id: str
    model: str
    attempt: int
    state: str
    time: datetime
    new_version: str | None
    message: str | None

    @property
    def event_id(self) -> str:
        return f"{self.request_id}:{self.attempt}:{self.state}:{self.time.isoformat()}"


def _moment(text: str | None) -> datetime | None:
    return None if text is None else read_time(text)


@cache
def _plan(cls: type[Event]) -> tuple[tuple[str, bool, Callable[[Any], Any]], ...]:
    """Of every field: its name, whether it may be null, and how its JSON form is read."""
    hints = get_type_hints(cls)
    plan = []
    for each in fields(cls):
        if each.name not in ("position", "record"):
            kinds = set(get_args(hints[each.name])) | {hints[each.name]}
            read = next((how for kind, how in _HOW.items() if kind in kinds), _as_it_is)
            plan.append((each.name, type(None) in kinds, read))
    return tuple(plan)


def _as_it_is(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _offset_range(record: Record) -> OffsetRange:
    return OffsetRange(record["topic"], record["partition"], record["start"], record["end"])


def _offset_ranges(records: Iterable[Record]) -> tuple[OffsetRange, ...]:
    return tuple(map(_offset_range, records))


def _window(record: Record) -> Window:
    return Window(start=read_time(record["start"]), end=read_time(record["end"]))


_HOW: Mapping[object, Callable[[Any], Any]] = {
    datetime: read_time,
    Window: _window,
    tuple[OffsetRange, ...]: _offset_ranges,
}

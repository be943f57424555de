"""What operators say (control) and what training jobs answer (retrain status), as typed events.

An event is a frozen dataclass; on the wire it is one record whose `kind` says which.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal, get_args

from streamgauge.schemas.encode import Format, Headers, encode_output
from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.framing import Resolver, unwrap
from streamgauge.schemas.limits import DEFAULT, Limits
from streamgauge.schemas.message import CONTROL, RETRAIN_STATUS, Message, Output
from streamgauge.schemas.records import read_record
from streamgauge.schemas.times import format_time, parse_time


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    actor: str
    time_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Define(_Said):
    """The monitor definition of `model`, or the fleet document if there is no model."""

    model: str | None = None
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptBaseline(_Said):
    """Another baseline for `model`: for one version, or for all and those to come.

    `document` is a stored profile; without it, a baseline is learned anew from the next predictions.
    """

    model: str
    version: str | None = None
    document: Mapping[str, Any] | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledge(_Said):
    """Somebody looks after the open alert with this fingerprint."""

    model: str
    fingerprint: str
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolve(_Said):
    """Somebody ends the open alert with this fingerprint."""

    model: str
    fingerprint: str
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence(_Said):
    """Until `until_us`, alerts whose fields equal all of `matcher` stay quiet; without a model, in all.

    It begins at `start_us`, at once where that is None. It takes the place of those of the same matcher with
    which it shares a moment, so one that ends now ends them.
    """

    until_us: int
    start_us: int | None = None
    model: str | None = None
    matcher: Mapping[str, str] = field(default_factory=dict)
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retire(_Said):
    """The model, or one version of it, is no longer watched."""

    model: str
    version: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrain(_Said):
    """A new model is to be asked for now, of one version, or of the one that was served last."""

    model: str
    version: str | None = None
    note: str | None = None


ControlEvent = Define | AdoptBaseline | Acknowledge | Resolve | Silence | Retire | Retrain
RetrainState = Literal["accepted", "started", "succeeded", "failed", "declined"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainStatus:
    """A training job's answer to one attempt of a request; `new_version` comes with ``succeeded``."""

    request_id: str
    model: str
    attempt: int
    state: RetrainState
    time_us: int
    new_version: str | None = None
    message: str | None = None


#: What the matcher of a silence may ask for, and ``segment.<key>``.
MATCHED_FIELDS = ("fingerprint", "model", "version", "monitor", "metric", "severity")


def is_matched(field: str) -> bool:
    """Whether alerts have this field, for a matcher.

    >>> is_matched("segment.country"), is_matched("Monitor")
    (True, False)
    """
    return field in MATCHED_FIELDS or field.startswith("segment.")


_KINDS: dict[str, type[ControlEvent]] = {
    "define": Define,
    "baseline": AdoptBaseline,
    "acknowledge": Acknowledge,
    "resolve": Resolve,
    "silence": Silence,
    "retire": Retire,
    "retrain": Retrain,
}
_KIND_OF = {cls: kind for kind, cls in _KINDS.items()}
_FREE_TEXT = ("note", "message")


def encode_control(event: ControlEvent, format: Format = "json") -> tuple[bytes, Headers]:
    """Value and headers for the topic `control`.

    >>> event = Retire(actor="ann", time_us=1795255200000000, model="credit")
    >>> value, headers = encode_control(event)
    >>> value
    b'{"kind":"retire","actor":"ann","time":"2026-11-21T10:00:00.000000Z","model":"credit"}'
    >>> decode_control(Message("control", 0, 0, b"credit", value, headers)) == event
    True
    """
    record = {"kind": _KIND_OF[type(event)], **_to_record(event)}
    return encode_output(Output(CONTROL, (event.model or "").encode(), record), format)


def decode_control(
    message: Message, limits: Limits = DEFAULT, resolve: Resolver | None = None
) -> ControlEvent:
    """What an operator said. Raises `BadEvent`; whether it applies is for the core to say."""
    record = read_record(unwrap(message.value, message.headers, limits, resolve), limits, "control")
    kind = record.get("kind")
    if kind is None:
        raise BadEvent(Reason.MISSING_FIELD, "kind is not given")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise BadEvent(Reason.WRONG_TYPE, f"kind is not one of {', '.join(_KINDS)}")
    event: ControlEvent = _from_record(_KINDS[kind], record, limits)
    return event


def encode_retrain_status(status: RetrainStatus, format: Format = "json") -> tuple[bytes, Headers]:
    """Value and headers for the topic `retrain-status`."""
    return encode_output(Output(RETRAIN_STATUS, status.model.encode(), _to_record(status)), format)


def decode_retrain_status(
    message: Message, limits: Limits = DEFAULT, resolve: Resolver | None = None
) -> RetrainStatus:
    """What a training job answered. Raises `BadEvent`."""
    record = read_record(unwrap(message.value, message.headers, limits, resolve), limits, "retrain_status")
    status: RetrainStatus = _from_record(RetrainStatus, record, limits)
    if status.state == "succeeded" and status.new_version is None:
        raise BadEvent(Reason.MISSING_FIELD, "succeeded needs new_version")
    return status


def _to_record(event: ControlEvent | RetrainStatus) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for each in fields(event):
        value = getattr(event, each.name)
        if value is not None:
            record[each.name.removesuffix("_us")] = format_time(value) if each.name.endswith("_us") else value
    return record


def _from_record(cls: type[Any], record: Mapping[str, Any], limits: Limits) -> Any:
    values = {}
    for each in fields(cls):
        name = each.name.removesuffix("_us")
        value = record.get(name)
        if value is not None:
            values[each.name] = _read(each.name, value, limits)
        elif each.default is MISSING and each.default_factory is MISSING:
            raise BadEvent(Reason.MISSING_FIELD, f"{name} is not given")
    return cls(**values)


def _read(name: str, value: Any, limits: Limits) -> Any:
    if name.endswith("_us"):
        return parse_time(value)
    if name == "attempt":
        if value.__class__ is not int:
            raise BadEvent(Reason.WRONG_TYPE, "attempt is not an integer")
        if not 1 <= value < 2**31:
            raise BadEvent(Reason.OUT_OF_RANGE, "attempt starts at 1")
        return value
    if name == "document":
        if not isinstance(value, dict):
            raise BadEvent(Reason.WRONG_TYPE, "document is not an object")
        return value
    if name == "matcher":
        if not isinstance(value, dict):
            raise BadEvent(Reason.WRONG_TYPE, "matcher is not an object")
        return {_text("matcher", key, limits): _text("matcher", item, limits) for key, item in value.items()}
    text = _text(name, value, limits)
    if name == "state" and text not in get_args(RetrainState):
        raise BadEvent(Reason.WRONG_TYPE, f"state is not one of {', '.join(get_args(RetrainState))}")
    return text


def _text(name: str, value: Any, limits: Limits) -> str:
    if not isinstance(value, str):
        raise BadEvent(Reason.WRONG_TYPE, f"{name} is not a string")
    longest = limits.string_length if name in _FREE_TEXT else limits.id_length
    if len(value) > longest:
        raise BadEvent(Reason.OVERSIZED, f"{name} has {len(value)} characters; at most {longest} are read")
    return value

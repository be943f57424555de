"""Which columns of a table are read, and what each holds; the names are those of the JSON form."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.limits import DEFAULT
from streamgauge.schemas.message import PREDICTIONS

#: ``any`` is a class or a number, ``name`` a string that a row must not lack where it is required, ``items``
#: a list of items, ``grades`` such a list or the grade of each item.
Kind = Literal["name", "time", "any", "number", "text", "whole", "flag", "items", "grades"]

REQUIRED = ("prediction_id", "model", "time")
FAMILIES: dict[str, Kind] = {"features": "any", "groups": "text", "segments": "text", "scores": "number"}
_LIMITS = {
    "features": DEFAULT.features,
    "groups": DEFAULT.groups,
    "segments": DEFAULT.segments,
    "scores": DEFAULT.classes,
}
#: Of the columns that are there, how many are told, and how much of a name.
_MOST_TOLD, _LONGEST_TOLD = 20, 40
_COMMON: dict[str, Kind] = {"prediction_id": "name", "model": "name", "time": "time"}
_PREDICTION: dict[str, Kind] = {
    **_COMMON, "version": "text", "latency_ms": "number", "prediction": "any", "ranked": "items",
    "score": "number", "error": "text",
}  # fmt: skip
_GROUND_TRUTH: dict[str, Kind] = {
    **_COMMON, "label": "any", "relevance": "grades", "revision": "whole", "retracted": "flag",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layout:
    """The kind of each column that is read, by its name, and the names of those that are not."""

    kinds: dict[str, Kind]
    unread: tuple[str, ...]


def layout_of(topic: str, names: Sequence[str], file: str) -> Layout:
    """What to read of columns called `names`. Raises `ConfigurationError` if that is no table of events.

    >>> layout_of("ground-truth", ["model", "time", "prediction_id", "label", "note"], "labels.csv").unread
    ('note',)
    """
    fields = _PREDICTION if topic == PREDICTIONS else _GROUND_TRUTH
    families = FAMILIES if topic == PREDICTIONS else {}
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigurationError(f"{file}: two columns are called {', '.join(twice)}")
    needed = [*REQUIRED, *([] if topic == PREDICTIONS or "relevance" in names else ["label"])]
    missing = [name for name in needed if name not in names]
    if missing:
        raise ConfigurationError(
            f"{file}: a table of {topic} needs the columns {', '.join(needed)}; "
            f"{_listed(missing)} not there{_instead(names, missing)}. "
            f"It can have {', '.join([*fields, *(family + '.…' for family in families)])}"
        )
    kinds: dict[str, Kind] = {}
    for name in names:
        family, dot, entry = name.partition(".")
        if name in fields:
            kinds[name] = fields[name]
        elif dot and family in families:
            if len(entry) > DEFAULT.id_length:
                raise ConfigurationError(
                    f"{file}: the name {entry[:40]}… has over {DEFAULT.id_length} characters"
                )
            kinds[name] = families[family]
    for family in families:
        count = sum(name.startswith(f"{family}.") for name in kinds)
        if count > _LIMITS[family]:
            raise ConfigurationError(f"{file}: {count} {family}; at most {_LIMITS[family]} are read")
    return Layout(kinds, tuple(name for name in names if name not in kinds))


def nested(values: Iterable[tuple[str, object]]) -> dict[str, object]:
    """Columns of one row in the JSON form; missing ones are left out.

    >>> nested([("model", "m"), ("features.age", 41), ("features.job", None), ("score", None)])
    {'model': 'm', 'features': {'age': 41}}
    """
    record: dict[str, object] = {}
    for name, value in values:
        family, dot, entry = name.partition(".")
        if value is None:
            continue
        if dot:
            entries = record.setdefault(family, {})
            assert isinstance(entries, dict)
            entries[entry] = value
        else:
            record[name] = value
    return record


def meant(topic: str, name: str) -> str:
    """A column that is not read, and which one it may be meant for.

    >>> meant("predictions", "feature.age"), meant("predictions", "latency"), meant("predictions", "note")
    ('feature.age (features.age?)', 'latency (latency_ms?)', 'note')
    """
    known = [*_PREDICTION, *FAMILIES] if topic == PREDICTIONS else [*_GROUND_TRUTH]
    family, dot, entry = name.partition(".")
    close = get_close_matches(family, known, n=1)
    return f"{name} ({close[0]}{dot}{entry}?)" if close and (close[0] in FAMILIES) is bool(dot) else name


def _instead(names: Sequence[str], missing: Sequence[str]) -> str:
    """What is there, as far as it may explain why something is not.

    >>> _instead(["id", "model", "prediction", "timestamp"], ["prediction_id", "time"])
    '; there are id, model, prediction, timestamp: rename those that are meant'
    >>> _instead(["prediction_id;model;time"], ["prediction_id", "model", "time"])
    '; its first line has semicolons where commas should be'
    """
    if len(names) == 1 and len(missing) > 1:
        for sign, called in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if sign in names[0]:
                return f"; its first line has {called} where commas should be"
    there = ", ".join(name[:_LONGEST_TOLD] for name in names[:_MOST_TOLD] if name)
    more = ", …" if len(names) > _MOST_TOLD else ""
    return f"; there are {there}{more}: rename those that are meant" if there else "; it names none"


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"

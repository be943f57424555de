"""The same events as files of each format, for tests of replay."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq

Event = Mapping[str, Any]
FAMILIES = ("features", "groups", "segments", "scores")
FORMATS = ("jsonl", "csv", "parquet", "avro")

_AVRO_ITEMS = {"type": "array", "items": ["string", "long"]}
_AVRO_VALUE = ["null", "boolean", "long", "double", "string"]
_AVRO_PREDICTION = [
    ("version", "string", ""), ("latency_ms", ["null", "double"], None), ("prediction", _AVRO_VALUE, None),
    ("ranked", ["null", _AVRO_ITEMS], None),
    ("score", ["null", "double"], None), ("error", ["null", "string"], None),
    ("features", {"type": "map", "values": _AVRO_VALUE}, {}),
    ("groups", {"type": "map", "values": ["null", "string"]}, {}),
    ("segments", {"type": "map", "values": ["null", "string"]}, {}),
    ("scores", {"type": "map", "values": "double"}, {}),
]  # fmt: skip
_AVRO_LABEL = [
    ("label", _AVRO_VALUE, None), ("revision", "int", 0), ("retracted", "boolean", False),
    ("relevance", ["null", {"type": "map", "values": "double"}, _AVRO_ITEMS], None),
]  # fmt: skip


def write(folder: Path, name: str, format: str, events: Sequence[Event], **options: Any) -> Path:
    """`name`.`format` in `folder`; times are integer microseconds."""
    path = folder / f"{name}.{format}"
    {"jsonl": _jsonl, "csv": _csv, "parquet": _parquet, "avro": _avro}[format](path, events, **options)
    return path


def flat(event: Event) -> dict[str, Any]:
    """With dotted names; what is missing is left out."""
    found = {}
    for name, value in event.items():
        if name in FAMILIES:
            found |= {f"{name}.{key}": entry for key, entry in (value or {}).items() if entry is not None}
        elif value is not None:
            found[name] = value
    return found


def _jsonl(path: Path, events: Iterable[Event]) -> None:
    path.write_text("".join(json.dumps(event) + "\n" for event in events))


def _csv(path: Path, events: Sequence[Event], text: Sequence[str] = ()) -> None:
    rows = [flat(event) for event in events]
    names = _names(rows)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([f"{name}:text" if name in text else name for name in names])
        writer.writerows([[_cell(row.get(name)) for name in names] for row in rows])


def _cell(value: object) -> object:
    if isinstance(value, list | dict):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else value


def _parquet(path: Path, events: Sequence[Event], rows: int = 1_000) -> None:
    times = pa.array([event.get("time") for event in events], pa.timestamp("us", tz="UTC"))
    columns: dict[str, Any] = {}
    for name in dict.fromkeys(name for event in events for name in event):
        column = [event.get(name) for event in events]
        if name in FAMILIES and not any(column):
            continue
        graded = name == "relevance" and any(isinstance(row, dict) for row in column)
        if graded:
            column = [list(row.items()) if isinstance(row, dict) else row for row in column]
        grades = pa.map_(pa.string(), pa.float64()) if graded else None
        columns[name] = times if name == "time" else pa.array(column, grades)
    pq.write_table(pa.table(columns), path, row_group_size=rows)


def _avro(path: Path, events: Sequence[Event], codec: str = "deflate") -> None:
    labels = any({"label", "relevance"} & event.keys() for event in events)
    fields = _AVRO_LABEL if labels else _AVRO_PREDICTION
    micros = {"type": "long", "logicalType": "timestamp-micros"}
    schema = fastavro.parse_schema(
        {
            "type": "record",
            "name": "Event",
            "fields": [
                {"name": "prediction_id", "type": "string"},
                {"name": "model", "type": "string"},
                {"name": "time", "type": micros},
                *({"name": name, "type": kind, "default": default} for name, kind, default in fields),
            ],
        }
    )
    with path.open("wb") as file:
        fastavro.writer(file, schema, events, codec=codec, sync_interval=2_000)


def _names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    names = dict.fromkeys(name for row in rows for name in row)
    return list(names)

"""What replay costs an event for each format, and how much memory: it must not depend on the file's length.

Each replay is a process of its own. CPU time is less that of a replay without events; peak memory is all of
the process.
"""

import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import fastavro
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.figure import Figure
from streamgauge.schemas.times import format_time

_START_US = 1_795_255_200_000_000
_STEP_US = 10_000
_ROWS_AT_ONCE = 50_000
#: Labels come within minutes, so that what waits for them is as much in a long file as in a short one.
_MONITORS = "model: bench\ntask: binary\npos_label: 'yes'\nlabels: {ttl: 10m}\nlateness: 10m\n"
_WORDS = {"job": ("clerk", "cook", "pilot"), "city": ("Oslo", "Bergen"), "plan": ("a", "b", "c", "d")}
_NUMBERS = tuple(f"number_{i}" for i in range(9))
_AVRO = {
    "type": "record",
    "name": "Prediction",
    "fields": [
        {"name": "prediction_id", "type": "string"},
        {"name": "model", "type": "string"},
        {"name": "version", "type": "string"},
        {"name": "time", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "latency_ms", "type": "double"},
        {"name": "prediction", "type": "string"},
        {"name": "score", "type": "double"},
        {"name": "features", "type": {"type": "map", "values": ["double", "string"]}},
    ],
}


def figures() -> list[Figure]:
    """The table's lines about replay."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "monitors.yaml").write_text(_MONITORS)
        for format, rows in (("parquet", 1_000_000), ("csv", 300_000), ("jsonl", 300_000), ("avro", 100_000)):
            path = write(here / f"predictions.{format}", rows)
            seconds, _ = replayed(path)
            path.unlink()
            found.append(Figure(f"replay of {format}, 12 features", seconds / rows * 1e6, "µs/event"))
        for format in ("parquet", "csv"):
            for rows in (1_000_000, 10_000_000):
                path = write(here / f"predictions.{format}", rows)
                _, megabytes = replayed(path)
                path.unlink()
                found.append(
                    Figure(f"peak memory, {format}, {rows // 1_000_000} million rows", megabytes, "MB")
                )
    return found


def write(path: Path, rows: int) -> Path:
    """A file of predictions of a binary classifier: 9 numeric and 3 categorical features."""
    {"parquet": _parquet, "csv": _csv, "jsonl": _jsonl, "avro": _avro}[path.suffix[1:]](path, rows)
    return path


def replayed(path: Path) -> tuple[float, float]:
    """CPU seconds, less those of a replay without events, and peak megabytes, for this file."""
    empty = path.with_name("empty.jsonl")
    empty.touch()
    (seconds, _), (used, megabytes) = _measured(empty), _measured(path)
    return used - seconds, megabytes


def _measured(path: Path) -> tuple[float, float]:
    program = (
        "import resource, sys; from streamgauge.cli.main import main; assert main(sys.argv[1:]) == 0; "
        "used = resource.getrusage(resource.RUSAGE_SELF); "
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)"
    )
    arguments = [
        "replay",
        f"--predictions={path}",
        f"--monitors={path.parent / 'monitors.yaml'}",
        f"--out={path.parent / 'out'}",
    ]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    seconds, megabytes = done.stdout.split()[-2:]
    return float(seconds), float(megabytes)


def _chunks(rows: int) -> Iterator[dict[str, list[object]]]:
    """Columns by dotted name, some rows at a time."""
    rng = np.random.default_rng(0)
    for start in range(0, rows, _ROWS_AT_ONCE):
        n = min(_ROWS_AT_ONCE, rows - start)
        ids = rng.bytes(16 * n).hex()
        texts = [ids[i * 32 : i * 32 + 32] for i in range(n)]
        columns: dict[str, list[object]] = {
            "prediction_id": [f"{t[:8]}-{t[8:12]}-{t[12:16]}-{t[16:20]}-{t[20:]}" for t in texts],
            "model": ["bench"] * n,
            "version": ["1"] * n,
            "time": (_START_US + _STEP_US * np.arange(start, start + n)).tolist(),
            "latency_ms": rng.lognormal(3.0, 0.3, n).round(3).tolist(),
            "prediction": rng.choice(["no", "yes"], n).tolist(),
            "score": rng.random(n).round(6).tolist(),
        }
        columns |= {f"features.{name}": rng.normal(size=n).round(6).tolist() for name in _NUMBERS}
        columns |= {f"features.{name}": rng.choice(words, n).tolist() for name, words in _WORDS.items()}
        yield columns


def _records(rows: int) -> Iterator[dict[str, object]]:
    for columns in _chunks(rows):
        names = [name for name in columns if "." not in name]
        features = [name for name in columns if "." in name]
        for i in range(len(columns["time"])):
            record = {name: columns[name][i] for name in names}
            yield record | {"features": {name.partition(".")[2]: columns[name][i] for name in features}}


def _parquet(path: Path, rows: int) -> None:
    writer = None
    for columns in _chunks(rows):
        arrays = {name: pa.array(column) for name, column in columns.items() if "." not in name}
        arrays["time"] = pa.array(columns["time"], pa.timestamp("us", tz="UTC"))
        names = [name for name in columns if "." in name]
        arrays["features"] = pa.StructArray.from_arrays(
            [pa.array(columns[name]) for name in names], [name.partition(".")[2] for name in names]
        )
        table = pa.table(arrays)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def _csv(path: Path, rows: int) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        for number, columns in enumerate(_chunks(rows)):
            if number == 0:
                writer.writerow(columns)
            columns["time"] = [format_time(int(str(time))) for time in columns["time"]]
            writer.writerows(zip(*columns.values(), strict=True))


def _jsonl(path: Path, rows: int) -> None:
    with path.open("w") as file:
        for record in _records(rows):
            file.write(json.dumps(record | {"time": format_time(int(str(record["time"])))}) + "\n")


def _avro(path: Path, rows: int) -> None:
    with path.open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(_AVRO), _records(rows))

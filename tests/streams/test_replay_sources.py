"""Files as sources: a row that cannot be used costs itself, a file that cannot be read says why."""

import base64
import builtins
import json
import os
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.schemas.batch import Categories
from streamgauge.schemas.errors import BadEvent, ConfigurationError
from streamgauge.schemas.ids import identities
from streamgauge.schemas.message import DEAD_LETTERS, GROUND_TRUTH, PREDICTIONS
from streamgauge.schemas.times import EARLIEST_US, LATEST_US, parse_time
from streamgauge.streams.core.partition import CoreSettings
from streamgauge.streams.replay import Variant, replay
from streamgauge.streams.sources.block import Block
from streamgauge.streams.sources.files import open_file
from streamgauge.streams.sources.history import FileHistory
from streamgauge.streams.sources.ids import many_identities
from streamgauge.streams.sources.time_texts import many_times
from tests.core.scenario import START_US

HEADER = "prediction_id,model,time,prediction,features.x,groups.sex\n"
TIME = "2026-11-21T10:00:00Z"


def one_block(path: Path, topic: str = PREDICTIONS) -> Block:
    [block] = open_file(topic, path).blocks()
    return block


def letters_of(folder: Path, predictions: Path) -> list[dict[str, Any]]:
    """The dead letters of a replay of this file."""
    with FileHistory({PREDICTIONS: predictions}) as history:
        replay(history, [Variant(CoreSettings(clock="events"), out=folder)])
    return [json.loads(line) for line in (folder / f"{DEAD_LETTERS}.jsonl").read_text().splitlines()]


def csv_file(folder: Path, text: str | bytes) -> Path:
    path = folder / "p.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def parquet_file(folder: Path, **columns: Any) -> Path:
    n = max(len(column) for column in columns.values())
    times = pa.array([START_US + i for i in range(n)], pa.timestamp("us", tz="UTC"))
    common = {"prediction_id": [f"p{i}" for i in range(n)], "model": ["m"] * n, "time": times}
    path = folder / "p.parquet"
    pq.write_table(pa.table({**common, "prediction": ["yes"] * n, **columns}), path)
    return path


def avro_file(folder: Path, records: list[dict[str, Any]], time: Any = "long", **fields: Any) -> Path:
    kinds = {"prediction_id": "string", "model": "string", "time": time, "prediction": "string", **fields}
    schema = {
        "type": "record",
        "name": "P",
        "fields": [{"name": name, "type": kind} for name, kind in kinds.items()],
    }
    path = folder / "p.avro"
    with path.open("wb") as file:
        fastavro.writer(file, schema, records)
    return path


def test_a_bad_line_of_csv_is_named_and_nothing_else_is_lost(tmp_path: Path) -> None:
    lines = [
        f"a,m,{TIME},yes,1.5,f",
        f"b,m,{TIME},yes,1.5",
        "",
        f'c,m,{TIME},yes,"1.5,f',
        f"d,m,{TIME},yes,2.5,f",
        "e,m,yesterday,yes,2.5,f",
        f",m,{TIME},yes,2.5,f",
        f"g,m,{TIME},,2.5,f",
        f"h,m,{TIME},no,,",
    ]
    path = csv_file(tmp_path, (HEADER + "\n".join(lines) + "\n").encode() + b"i,m," + b"\xff,yes,1,f\n")
    letters = letters_of(tmp_path / "out", path)
    assert [(letter["offset"], letter["reason"]) for letter in letters] == [
        (3, "inconsistent"),
        (5, "undecodable"),
        (7, "wrong_type"),
        (8, "missing_field"),
        (9, "missing_field"),
        (11, "undecodable"),
    ]
    assert letters[0]["detail"] == f"{path}:3: 5 cells; the header has 6"
    assert base64.b64decode(letters[0]["value"]).decode() == lines[1]
    blocks = open_file(PREDICTIONS, path).blocks()
    good = [places for block in blocks for _, places in block.decoded.batches]
    assert np.concatenate(good).tolist() == [2, 6, 10]


def test_a_quoted_cell_of_csv_may_hold_line_breaks_wherever_blocks_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f'p{i},m,{TIME},yes,{i},"f\n{i}, ""{i}"""\n' for i in range(20)]
    path = csv_file(tmp_path, HEADER + "".join(rows))
    for block_rows in (1, 3, 8, 1_000):
        monkeypatch.setattr("streamgauge.streams.sources.lines.BLOCK_ROWS", block_rows)
        blocks = list(open_file(PREDICTIONS, path).blocks())
        groups = [
            value
            for block in blocks
            for batch, _ in block.decoded.batches
            for value in batch.groups["sex"].to_list()  # type: ignore[union-attr]
        ]
        assert groups == [f'f\n{i}, "{i}"' for i in range(20)]
        assert [place for block in blocks for place in block.places.tolist()] == list(range(2, 42, 2))


def test_a_column_of_csv_that_is_text_in_some_rows_parts_them_as_json_does(tmp_path: Path) -> None:
    rows = [f"a,m,{TIME},yes,1,f\n", f"b,m,{TIME},yes,00501,f\n", f"c,m,{TIME},yes,2,f\n"]
    block = one_block(csv_file(tmp_path, HEADER + "".join(rows)))
    found = [(batch.features["x"], places.tolist()) for batch, places in block.decoded.batches]  # type: ignore[union-attr]
    assert [places for _, places in found] == [[2], [3], [4]]
    assert isinstance(found[1][0], Categories)
    assert found[1][0].to_list() == ["00501"]


def test_what_reads_as_a_number_and_what_is_missing(tmp_path: Path) -> None:
    header = "prediction_id,model,time,prediction:text,features.x,features.code:text,retracted\n"
    rows = [
        f"a,m,{TIME},1,-1.5e3,7,x\n",
        f"b,m,{START_US},2,.5,8,\n",
        f"c,m,{TIME},,,,\n",
        f"d,m,{TIME},3,inf,,\n",
    ]
    source = open_file(PREDICTIONS, csv_file(tmp_path, b"\xef\xbb\xbf" + (header + "".join(rows)).encode()))
    assert source.unread == ("retracted",)
    [block] = source.blocks()
    [(batch, places)] = block.decoded.batches
    assert places.tolist() == [2, 3, 5]
    assert batch.prediction.to_list() == ["1", "2", "3"]  # type: ignore[union-attr]
    np.testing.assert_equal(batch.features["x"], [-1500.0, 0.5, np.nan])  # type: ignore[union-attr]
    assert batch.features["code"].to_list() == ["7", "8", None]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("prediction_id,model\n", "needs the columns prediction_id, model, time; time is not there"),
        ("prediction_id,model,time,score,score\n", "two columns are called score"),
        ('"prediction_id,model\n', "the names of the columns cannot be read"),
        ("", "prediction_id, model, time are not there"),
        (
            "prediction_id,model,time," + ",".join(f"groups.g{i}" for i in range(51)) + "\n",
            "51 groups; at most 50",
        ),
    ],
)
def test_a_header_that_is_wrong_is_explained(header: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=said):
        open_file(PREDICTIONS, csv_file(tmp_path, header))


def test_an_endless_line_is_refused_and_the_next_one_read(tmp_path: Path) -> None:
    good = json.dumps({"prediction_id": "a", "model": "m", "time": TIME, "prediction": 1})
    path = tmp_path / "p.jsonl"
    path.write_text("x" * 3_000_000 + f"\n{good}\n")
    [letter] = letters_of(tmp_path / "out", path)
    assert (letter["offset"], letter["reason"]) == (1, "oversized")
    assert one_block(path).places.tolist() == [1, 2]
    rows = f"{'x' * 3_000_000}\na,m,{TIME},yes,1,f\n"
    [letter] = letters_of(tmp_path / "csv", csv_file(tmp_path, HEADER + rows))
    assert (letter["offset"], letter["reason"]) == (2, "oversized")


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_a_pipe_is_read_from_its_first_byte(suffix: str, tmp_path: Path) -> None:
    row = f"a,m,{TIME},yes,1.5,f\n"
    event = json.dumps({"prediction_id": "a", "model": "m", "time": TIME, "prediction": 1}) + "\n"
    path = tmp_path / f"p.{suffix}"
    os.mkfifo(path)
    text = event if suffix == "jsonl" else HEADER + row
    writer = threading.Thread(target=path.write_text, args=(text,))
    writer.start()
    assert [len(batch) for batch, _ in one_block(path).decoded.batches] == [1]
    writer.join()


@pytest.mark.parametrize(
    "convert",
    [
        lambda values: pa.array(values, pa.int64()),
        lambda values: pa.array([Decimal(value) for value in values], pa.decimal128(9, 2)),
        lambda values: pa.array(values, pa.float32()),
        lambda values: pa.array(values, pa.int8()).dictionary_encode(),
        lambda values: pa.array(np.array(values, np.float16)),
    ],
)
def test_parquet_numbers_of_every_kind_are_numbers(convert: Callable[[Any], Any], tmp_path: Path) -> None:
    [(batch, _)] = one_block(parquet_file(tmp_path, **{"features.x": convert([1, 2, 3])})).decoded.batches
    assert batch.features["x"].tolist() == [1.0, 2.0, 3.0]  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), "dictionary"])
def test_parquet_text_of_every_kind_is_text(kind: Any, tmp_path: Path) -> None:
    words = ["b", None, "a", "b"]
    array = pa.array(words).dictionary_encode() if kind == "dictionary" else pa.array(words, kind)
    ids = (
        pa.array(["p0", "p1", "p2", "p3"])
        if kind == "dictionary"
        else pa.array(["p0", "p1", "p2", "p3"], kind)
    )
    path = parquet_file(tmp_path, prediction_id=ids, **{"features.x": array})
    [(batch, _)] = one_block(path).decoded.batches
    assert batch.features["x"].to_list() == words  # type: ignore[union-attr]
    assert batch.features["x"].values == ("b", "a")  # type: ignore[union-attr]
    assert batch.ids.tobytes() == identities(["p0", "p1", "p2", "p3"]).tobytes()


def test_parquet_structs_of_which_some_are_null(tmp_path: Path) -> None:
    features = pa.StructArray.from_arrays(
        [pa.array([1.0, 2.0, 3.0]), pa.array([True, None, False])],
        ["x", "flag"],
        mask=pa.array([False, True, False]),
    )
    [(batch, _)] = one_block(parquet_file(tmp_path, features=features)).decoded.batches
    np.testing.assert_equal(batch.features["x"], [1.0, np.nan, 3.0])  # type: ignore[union-attr]
    assert batch.features["flag"].to_list() == ["true", None, "false"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "array",
    [
        pa.array([datetime(2026, 11, 21, 10, tzinfo=UTC)], pa.timestamp("us", tz="UTC")),
        pa.array([datetime(2026, 11, 21, 10, tzinfo=UTC)], pa.timestamp("ns", tz="Europe/Oslo")),
        pa.array([datetime(2026, 11, 21, 10, tzinfo=UTC)], pa.timestamp("s", tz="UTC")),
        pa.array([START_US]),
        pa.array(["2026-11-21T11:00:00+01:00"]),
    ],
)
def test_parquet_times_in_every_unit(array: Any, tmp_path: Path) -> None:
    [(batch, _)] = one_block(parquet_file(tmp_path, time=array)).decoded.batches
    assert batch.time_us.tolist() == [START_US]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"time": pa.array([datetime(2026, 11, 21)], pa.timestamp("us"))}, "time is of type timestamp"),
        ({"features.x": pa.array([[1.0]])}, "features.x is of type list"),
        ({"score": pa.array(["0.5"])}, "score is of type string; it can be numbers"),
        ({"ranked": pa.array([{"a": 1.0}])}, "ranked is of type struct<a: double>; it can be lists"),
        ({"groups.sex": pa.array([1.5])}, "groups.sex is of type double; it can be text"),
    ],
)
def test_a_parquet_column_of_the_wrong_type_is_refused_at_once(
    columns: Any, said: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        open_file(PREDICTIONS, parquet_file(tmp_path, **columns))


def test_a_bad_row_of_parquet_is_named_and_quoted_as_json(tmp_path: Path) -> None:
    times = pa.array([START_US, None, START_US, 5, START_US], pa.timestamp("us", tz="UTC"))
    path = parquet_file(tmp_path, time=times, score=[0.5, 0.5, 7.0, 0.5, None], version=[7, 7, 7, 7, None])
    letters = letters_of(tmp_path / "out", path)
    assert [(letter["offset"], letter["reason"]) for letter in letters] == [
        (2, "missing_field"),
        (3, "out_of_range"),
        (4, "out_of_range"),
    ]
    assert letters[1]["detail"].startswith(f"{path} row 3: ")
    assert json.loads(base64.b64decode(letters[1]["value"])) == {
        "prediction_id": "p2", "model": "m", "time": START_US, "prediction": "yes", "score": 7.0,
        "version": "7",
    }  # fmt: skip
    lanes = {batch.version: places.tolist() for batch, places in one_block(path).decoded.batches}  # type: ignore[union-attr]
    assert lanes == {"7": [1], "": [5]}


def test_a_label_of_the_wrong_type_for_its_model_is_quoted(tmp_path: Path) -> None:
    numbers = parquet_file(tmp_path, prediction=[1.5, 2.5])
    labels = csv_file(tmp_path, f"prediction_id,model,time,label\np0,m,{TIME},2.5\np1,m,{TIME},high\n")
    with FileHistory({PREDICTIONS: numbers, GROUND_TRUTH: labels}) as history:
        [result] = replay(history, [Variant(CoreSettings(clock="events"), out=tmp_path / "out")])
    [letter] = map(json.loads, (tmp_path / "out" / f"{DEAD_LETTERS}.jsonl").read_text().splitlines())
    assert letter["detail"].startswith(f"{labels}:3: ")
    assert letter["reason"] == "wrong_type"
    assert base64.b64decode(letter["value"]) == f"p1,m,{TIME},high".encode()
    assert result.counts["dead_lettered"] == 1


@pytest.mark.parametrize(
    ("time", "value"),
    [
        ({"type": "long", "logicalType": "timestamp-micros"}, datetime(2026, 11, 21, 10, tzinfo=UTC)),
        (
            ["null", {"type": "long", "logicalType": "timestamp-millis"}],
            datetime(2026, 11, 21, 10, tzinfo=UTC),
        ),
        ("long", START_US),
        ("string", "2026-11-21T10:00:00Z"),
    ],
)
def test_avro_times_in_every_unit(time: Any, value: Any, tmp_path: Path) -> None:
    record = {"prediction_id": "a", "model": "m", "time": value, "prediction": "yes"}
    [(batch, _)] = one_block(avro_file(tmp_path, [record], time)).decoded.batches
    assert batch.time_us.tolist() == [START_US]


def test_a_bad_record_of_avro_is_named(tmp_path: Path) -> None:
    good = {"prediction_id": "a", "model": "m", "time": START_US, "prediction": "yes"}
    records = [good, {**good, "time": 2**62}, {**good, "prediction_id": ""}, {**good, "prediction_id": "b"}]
    path = avro_file(tmp_path, records, {"type": "long", "logicalType": "timestamp-micros"})
    letters = letters_of(tmp_path / "out", path)
    assert [(letter["offset"], letter["reason"]) for letter in letters] == [
        (2, "out_of_range"),
        (3, "missing_field"),
    ]
    assert letters[0]["detail"].startswith(f"{path} row 2: ")


@pytest.mark.parametrize("format", ["parquet", "avro"])
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_damaged_file_says_so(format: str, kept: float, tmp_path: Path) -> None:
    good = {"prediction_id": "a", "model": "m", "time": START_US, "prediction": "yes"}
    path = (
        parquet_file(tmp_path, **{"features.x": list(range(1_000))})
        if format == "parquet"
        else avro_file(tmp_path, [good] * 3_000)
    )
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ConfigurationError, match=f"{path.name} (cannot be read|is damaged)"):
        list(open_file(PREDICTIONS, path).blocks())


def test_an_avro_schema_without_what_an_event_needs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.avro"
    schema = {"type": "record", "name": "P", "fields": [{"name": "model", "type": "string"}]}
    with path.open("wb") as file:
        fastavro.writer(file, schema, [{"model": "m"}])
    with pytest.raises(ConfigurationError, match="its schema has no prediction_id, time"):
        open_file(PREDICTIONS, path)


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet_file(tmp_path, prediction=["yes"])
    real = builtins.__import__

    def missing(name: str, *arguments: Any, **options: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ModuleNotFoundError(f"No module named {name!r}", name="pyarrow")
        return real(name, *arguments, **options)

    for module in ("parquet", "arrow"):
        monkeypatch.delitem(sys.modules, f"streamgauge.streams.sources.{module}", raising=False)
    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ConfigurationError, match=r"pip install 'streamgauge\[parquet\]'"):
        open_file(PREDICTIONS, path)


@pytest.mark.parametrize(
    "ids",
    [
        ["01975bcd-0000-7000-8000-0123456789ab", "01975BCD-0000-7000-8000-0123456789AB"],
        ["01975bcd-0000-7000-8000-0123456789ab", "01975bcd-0000-7000-8000-0123456789ag"],
        ["01975bcd-0000-7000-8000-0123456789a", "b01975bcd-0000-7000-8000-0123456789ab"],
        ["01975bcd00000-7000-8000-0123456789ab", "x" * 36, "æ" * 36],
        ["a", ""],
        [],
    ],
)
def test_many_identities_are_what_each_is(ids: list[str]) -> None:
    assert many_identities(ids).tobytes() == identities(ids).tobytes()


def test_times_as_far_as_they_go_do_not_overflow(tmp_path: Path) -> None:
    far = [2**62, -(2**62), START_US // 1_000]
    times = pa.array(far, pa.int64()).view(pa.timestamp("ms", tz="UTC"))
    letters = letters_of(tmp_path / "out", parquet_file(tmp_path, time=times))
    assert [(letter["offset"], letter["reason"]) for letter in letters] == [
        (1, "out_of_range"),
        (2, "out_of_range"),
    ]


_clock = st.datetimes(datetime(1995, 1, 1), datetime(2105, 1, 1)).map(lambda time: time.isoformat("T") + "Z")
_odd = st.sampled_from(
    [
        "",
        "soon",
        "-5",
        "1795255200000000",
        "2024-02-29T23:59:59.9Z",
        "2026-02-30T10:00:00Z",
        "2026-13-01T10:00:00Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T10:00:60Z",
        "2026-11-21 10:00:00Z",
        "2026-1:-21T10:00:00Z",
        "２026-11-21T10:00:00Z",
        "2026-11-21T10:00:00.Z",
        "2026-11-21T10:00:00,5Z",
        "2026-11-21T10:00:00.1234567Z",
        "2026-11-21T10:00:00.5+01:00",
    ]
)


@given(st.lists(_clock | _odd, max_size=6) | _odd.map(lambda text: [text]))
def test_many_times_are_what_each_is(texts: list[str]) -> None:
    def one(text: str) -> int | None:
        try:
            return parse_time(int(text) if text.removeprefix("-").isdecimal() else text)
        except BadEvent:
            return None

    found, unfit = many_times(texts)
    sound = (found >= EARLIEST_US) & (found < LATEST_US) & ~unfit
    assert [time if ok else None for time, ok in zip(found.tolist(), sound.tolist(), strict=True)] == [
        one(text) for text in texts
    ]

"""Parquet: columns in the JSON form's nesting, or under its dotted names; read batch by batch."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from streamgauge.schemas.batch import Ints
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.message import Message
from streamgauge.streams.sources.arrow import COLUMNS, categories, check, id_column, times
from streamgauge.streams.sources.block import BLOCK_ROWS, UNKNOWN_US, Block
from streamgauge.streams.sources.layout import FAMILIES, layout_of, nested
from streamgauge.streams.sources.records import as_json
from streamgauge.streams.sources.table import Table, decode_table

_NAMES = ("prediction_id", "model", "version")


class ParquetRows:
    """A `FileSource`: places are numbers of rows, from 1. Raises `ConfigurationError` for another file.

    Memory is bounded by the file's largest row group, compressed, and a batch of its rows.
    """

    unit: Literal["line", "row"] = "row"

    def __init__(self, topic: str, path: Path) -> None:
        self.topic = topic
        self.path = path
        try:
            self._file = pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.filename:
                raise
            raise ConfigurationError(f"{path} cannot be read as Parquet: {error}") from error
        types = dict(_flat_types(self._file.schema_arrow))
        self._layout = layout_of(topic, list(types), str(path))
        for name, kind in self._layout.kinds.items():
            check(types[name], kind, f"{path}: {name}")
        self.unread = self._layout.unread
        self.size = path.stat().st_size
        self.read = 0

    def blocks(self) -> Iterator[Block]:
        columns = sorted({_top(name, self._file.schema_arrow.names) for name in self._layout.kinds})
        rows, total = 0, self._file.metadata.num_rows
        try:
            for batch in self._file.iter_batches(BLOCK_ROWS, columns=columns, use_threads=False):
                if batch.num_rows:
                    yield self._block(batch, rows + 1)
                rows += batch.num_rows
                self.read = self.size * rows // total
        except (pa.ArrowException, OSError) as error:
            raise ConfigurationError(f"{self.path} is damaged after row {rows:,}: {error}") from error
        finally:
            self._file.close()

    def close(self) -> None:
        self._file.close()

    def _block(self, batch: Any, first: int) -> Block:
        arrays = {name: array for name, array in _flat(batch) if name in self._layout.kinds}
        n = batch.num_rows
        places = np.arange(first, first + n, dtype=np.int64)
        ids, unfit = id_column(arrays["prediction_id"])
        time_us, untimed = times(arrays["time"])
        columns = {
            name: COLUMNS[kind](arrays[name], name)
            for name, kind in self._layout.kinds.items()
            if kind in COLUMNS
        }
        given = arrays["time"].type

        def row(at: int) -> dict[str, object]:
            values = {name: array[at].as_py() for name, array in arrays.items() if name != "time"}
            for name, value in values.items():
                if isinstance(value, Decimal):
                    values[name] = float(value)
                elif name == "relevance" and value and isinstance(value[0], tuple):
                    values[name] = dict(value)
                elif name in _NAMES and isinstance(value, int):
                    values[name] = str(value)
            time = arrays["time"][at].as_py() if pa.types.is_string(given) else int(time_us[at])
            return nested([*values.items(), ("time", None if time == UNKNOWN_US else time)])

        def quote(wanted: Ints) -> list[Message]:
            return [
                Message(self.topic, place, 0, None, as_json(place, row(place - first)))
                for place in wanted.tolist()
            ]

        model = categories(arrays["model"])
        table = Table(places, ids, time_us, model, columns, unfit | untimed, row, as_json)
        return Block.of(self.topic, places, decode_table(self.topic, table), quote)


def _top(name: str, names: Any) -> str:
    return name if name in names else name.partition(".")[0]


def _flat_types(schema: Any) -> Iterator[tuple[str, Any]]:
    for field in schema:
        if field.name in FAMILIES and pa.types.is_struct(field.type):
            for entry in field.type:
                yield f"{field.name}.{entry.name}", entry.type
        else:
            yield field.name, field.type


def _flat(batch: Any) -> Iterator[tuple[str, Any]]:
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if field.name in FAMILIES and pa.types.is_struct(field.type):
            for entry, child in zip(field.type, column.flatten(), strict=True):
                yield f"{field.name}.{entry.name}", _decoded(child)
        else:
            yield field.name, _decoded(column)


def _decoded(array: Any) -> Any:
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array

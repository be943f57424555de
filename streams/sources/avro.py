"""Avro container files: any writer's schema whose fields are those of the JSON form."""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import fastavro
import numpy as np

from streamgauge.schemas.batch import Ints
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.message import Message
from streamgauge.schemas.registry import Schema
from streamgauge.streams.sources.block import BLOCK_ROWS, Block
from streamgauge.streams.sources.layout import REQUIRED
from streamgauge.streams.sources.records import as_json, decode_records

_UNITS = {"timestamp-millis": (1_000, 1), "timestamp-micros": (1, 1), "timestamp-nanos": (1, 1_000)}
#: What fastavro raises for bytes that are not what the schema says.
_DAMAGE = (EOFError, IndexError, KeyError, OverflowError, TypeError, ValueError, OSError)


class AvroRecords:
    """A `FileSource`: places are numbers of records, from 1. Raises `ConfigurationError` for another file."""

    unit: Literal["line", "row"] = "row"

    def __init__(self, topic: str, path: Path) -> None:
        self.topic = topic
        self.size = path.stat().st_size
        self.read = 0
        self.unread: tuple[str, ...] = ()
        self.path = path
        self._file = path.open("rb")
        try:
            self._container = fastavro.block_reader(self._file)
            document = self._container.writer_schema
        except (*_DAMAGE, fastavro.read.SchemaParseException) as error:
            self._file.close()
            raise ConfigurationError(f"{path} cannot be read as an Avro container file: {error}") from error
        names = [field["name"] for field in document["fields"]] if document.get("type") == "record" else []
        missing = [name for name in REQUIRED if name not in names]
        if missing:
            self._file.close()
            raise ConfigurationError(f"{path}: its schema has no {', '.join(missing)}")
        self._writer = Schema.of(document["name"], document)
        self._times, self._per = _UNITS.get(_logical_type(document, "time"), (1, 1))

    def blocks(self) -> Iterator[Block]:
        with self._file:
            records = enumerate(self._records(), 1)
            while chunk := list(islice(records, BLOCK_ROWS)):
                self.read = self._file.tell()
                yield self._block(chunk)

    def close(self) -> None:
        self._file.close()

    def _records(self) -> Iterator[dict[str, Any]]:
        """The records as they were written, times as integers: a hostile one cannot raise."""
        count = 0
        try:
            for block in self._container:
                for _ in range(block.num_records):
                    record = fastavro.schemaless_reader(block.bytes_, self._writer.parsed, None)
                    if isinstance(record.get("time"), int):
                        record["time"] = record["time"] * self._times // self._per
                    count += 1
                    yield record
        except _DAMAGE as error:
            raise ConfigurationError(f"{self.path} is damaged after record {count:,}: {error}") from error

    def _block(self, chunk: list[tuple[int, dict[str, Any]]]) -> Block:
        first = chunk[0][0]

        def quote(wanted: Ints) -> list[Message]:
            found = (chunk[place - first] for place in wanted.tolist())
            return [Message(self.topic, place, 0, None, as_json(place, record)) for place, record in found]

        places = np.arange(first, first + len(chunk), dtype=np.int64)
        return Block.of(self.topic, places, decode_records(self.topic, chunk, as_json), quote)


def _logical_type(document: Mapping[str, Any], name: str) -> str:
    """The logical type of a field, or an empty text."""
    kind = next(field["type"] for field in document["fields"] if field["name"] == name)
    branches = kind if isinstance(kind, list) else [kind]
    return next((str(branch["logicalType"]) for branch in branches if "logicalType" in branch), "")

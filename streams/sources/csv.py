"""CSV: a line of column names, then an event a line; names of nested entries are dotted."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from streamgauge.schemas.batch import Ints
from streamgauge.schemas.decode import DecodeResult
from streamgauge.schemas.errors import BadEvent, ConfigurationError
from streamgauge.schemas.limits import DEFAULT
from streamgauge.schemas.message import Message
from streamgauge.streams.sources import cells
from streamgauge.streams.sources.block import Block
from streamgauge.streams.sources.csv_lines import Row, cells_of, csv_rows
from streamgauge.streams.sources.ids import many_identities
from streamgauge.streams.sources.layout import layout_of, nested
from streamgauge.streams.sources.lines import LONGEST, numbered_lines
from streamgauge.streams.sources.table import Table, decode_table
from streamgauge.streams.sources.time_texts import many_times

#: After a column's name: its values are text, whatever they look like.
AS_TEXT = ":text"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class CsvRows:
    """A `FileSource`: places are numbers of lines, the header being 1. Raises `ConfigurationError`."""

    unit: Literal["line", "row"] = "line"

    def __init__(self, topic: str, path: Path) -> None:
        self.topic = topic
        self.path = path
        self.size = path.stat().st_size
        self.read = 0
        self._file = path.open("rb")
        try:
            given = self._header()
            self._names = [name.removesuffix(AS_TEXT) for name in given]
            self._layout = layout_of(topic, self._names, str(path))
        except ConfigurationError:
            self._file.close()
            raise
        self._as_text = {name.removesuffix(AS_TEXT) for name in given if name.endswith(AS_TEXT)}
        self.unread = self._layout.unread

    def blocks(self) -> Iterator[Block]:
        with self._file:
            for rows in csv_rows(self._counted(), len(self._names)):
                if rows:
                    yield self._block(rows)

    def close(self) -> None:
        self._file.close()

    def _counted(self) -> Iterator[tuple[int, list[bytes]]]:
        for first, lines in numbered_lines(self._file, first=2):
            self.read += sum(map(len, lines))
            yield first, lines

    def _header(self) -> list[str]:
        header = cells_of([self._file.readline(LONGEST).removeprefix(_BYTE_ORDER_MARK)])
        if isinstance(header, BadEvent):
            detail = f"the names of the columns cannot be read: {header.detail}"
            raise ConfigurationError(f"{self.path}:1: {detail}")
        return [name.strip() for name in header]

    def _block(self, rows: list[Row]) -> Block:
        texts = {place: line.rstrip(b"\r\n") for place, line, _ in rows}

        def quote(wanted: Ints) -> list[Message]:
            return [Message(self.topic, place, 0, None, texts[place]) for place in wanted.tolist()]

        good = [(place, read) for place, _, read in rows if isinstance(read, list)]
        decoded = decode_table(self.topic, self._table(good, texts)) if good else DecodeResult()
        for place, _, read in rows:
            if isinstance(read, BadEvent):
                decoded.refused.append((Message(self.topic, place, 0, None, texts[place]), read))
        decoded.refused.sort(key=lambda refusal: refusal[0].offset)
        decoded.refused_rows = len(decoded.refused)
        return Block.of(self.topic, np.array(list(texts), np.int64), decoded, quote)

    def _table(self, rows: list[tuple[int, list[str]]], texts: Mapping[int, bytes]) -> Table:
        found = dict(zip(self._names, zip(*(row for _, row in rows), strict=True), strict=True))
        ids = found["prediction_id"]
        time_us, unfit = many_times(found["time"])
        unfit |= np.array([not 0 < len(text) <= DEFAULT.id_length for text in ids], np.bool_)
        columns: dict[str, Any] = {}
        for name, kind in self._layout.kinds.items():
            if kind == "any" and name not in self._as_text:
                columns[name] = cells.typed(found[name], finite=name.startswith("features."))
                unfit |= columns[name] is None
            elif kind in ("any", "text"):
                columns[name] = cells.text(found[name])
            elif kind in _READERS:
                columns[name], wrong = _READERS[kind](found[name])
                unfit |= wrong

        def row(at: int) -> dict[str, object]:
            values = (
                (name, cells.value_of(found[name][at], kind, name in self._as_text))
                for name, kind in self._layout.kinds.items()
            )
            return nested(values)

        return Table(
            np.array([place for place, _ in rows], np.int64),
            many_identities(ids),
            time_us,
            cells.text(found["model"]),
            {name: column for name, column in columns.items() if column is not None},
            unfit,
            row,
            lambda place, _: texts[place],
        )


_READERS: dict[str, Any] = {
    "number": cells.numbers,
    "whole": cells.whole_numbers,
    "flag": cells.flags,
    "items": cells.items,
    "grades": cells.grades,
}

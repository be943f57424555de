"""The columns of a columnar message: bytes whose lengths are checked, then seen as arrays in place."""

from typing import Any

import numpy as np

from streamgauge.schemas.batch import (
    ID_DTYPE,
    Bools,
    Categories,
    Codes,
    Column,
    Floats,
    Ids,
    Ints,
    Outcome,
)
from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.item_lists import ItemLists
from streamgauge.schemas.limits import Limits

_NO_OFFSETS = np.zeros(0, np.int32)
_F8, _I8, _I4, _U1 = np.dtype("<f8"), np.dtype("<i8"), np.dtype("<i4"), np.dtype("u1")


class ColumnReader:
    """Reads the columns of one datum, all of `n` events. Every method raises `BadEvent`.

    Arrays are views into the message where they can be, so they are read-only.
    """

    def __init__(self, datum: dict[str, Any], limits: Limits) -> None:
        self._datum = datum
        self._limits = limits
        ids: bytes = datum["ids"]
        self.n, rest = divmod(len(ids), 16)
        if self.n > limits.events:
            raise BadEvent(Reason.OVERSIZED, f"{self.n} events; at most {limits.events} share a message")
        if rest or not self.n:
            raise BadEvent(Reason.INCONSISTENT, f"ids has {len(ids)} bytes; it has 16 for each event")
        self.ids: Ids = np.frombuffer(ids, ID_DTYPE)
        self.time_us: Ints = self._fixed("time_us", datum["time_us"], _I8)

    def text(self, field: str, shortest: int) -> str:
        """An id or a name of at least `shortest` characters."""
        value: str = self._datum[field]
        if len(value) > self._limits.id_length:
            raise BadEvent(Reason.OVERSIZED, f"{field} has {len(value)} characters")
        if len(value) < shortest:
            raise BadEvent(Reason.MISSING_FIELD, f"{field} is empty")
        return value

    def optional_floats(self, field: str) -> Floats:
        """float64; all NaN if the column was not sent."""
        content = self._datum[field]
        return np.full(self.n, np.nan) if content is None else self._fixed(field, content, _F8)

    def optional_codes(self, field: str) -> Codes:
        """int32; all 0 if the column was not sent."""
        content = self._datum[field]
        return np.zeros(self.n, np.int32) if content is None else self._fixed(field, content, _I4)

    def flags(self, field: str) -> Bools:
        """bool; all False if the column was not sent."""
        content = self._datum[field]
        if content is None:
            return np.zeros(self.n, np.bool_)
        values = self._fixed(field, content, _U1)
        if values.max() > 1:
            raise BadEvent(Reason.INCONSISTENT, f"{field} holds more than 0 and 1")
        flags: Bools = values.view(np.bool_)
        return flags

    def outcome(self, field: str) -> Outcome:
        """float64, strings or lists of items, as it was sent."""
        content = self._datum[field]
        if isinstance(content, bytes):
            numbers: Floats = self._fixed(field, content, _F8)
            return numbers
        return self._lists(field, content) if "offsets" in content else self._strings(field, content)

    def floats(self, field: str, most: int) -> dict[str, Floats]:
        """Named float64 columns, at most `most`."""
        contents = self._named(field, most)
        return {name: self._fixed(field, content, _F8) for name, content in contents.items()}

    def categories(self, field: str, most: int) -> dict[str, Categories]:
        """Named columns of strings, at most `most`."""
        contents = self._named(field, most)
        return {name: self._strings(field, content) for name, content in contents.items()}

    def columns(self, field: str, most: int) -> dict[str, Column]:
        """Named columns of either kind; infinite values become missing."""
        contents = self._named(field, most)
        numeric = [name for name, content in contents.items() if isinstance(content, bytes)]
        for name in numeric:
            if len(contents[name]) != 8 * self.n:
                raise _length(field, len(contents[name]), 8 * self.n)
        # One array of all numeric columns: 12 features cost one check, not twelve.
        matrix = np.frombuffer(b"".join([contents[name] for name in numeric]), _F8).reshape(-1, self.n)
        infinite = np.isinf(matrix)
        if np.count_nonzero(infinite):
            matrix = np.where(infinite, np.nan, matrix)
        rows = dict(zip(numeric, matrix, strict=True))
        return {
            name: rows[name] if name in rows else self._strings(field, content)
            for name, content in contents.items()
        }

    def _named(self, field: str, most: int) -> dict[str, Any]:
        contents: dict[str, Any] = self._datum[field]
        if len(contents) > most:
            raise BadEvent(Reason.TOO_MANY_FIELDS, f"{len(contents)} {field}; at most {most} are read")
        if contents and max(map(len, contents)) > self._limits.id_length:
            raise BadEvent(
                Reason.OVERSIZED, f"a name in {field} has more than {self._limits.id_length} characters"
            )
        return contents

    def _fixed(self, field: str, content: bytes, dtype: np.dtype[Any]) -> Any:
        if len(content) != dtype.itemsize * self.n:
            raise _length(field, len(content), dtype.itemsize * self.n)
        return np.frombuffer(content, dtype)

    def _lists(self, field: str, content: dict[str, Any]) -> ItemLists:
        offsets = np.frombuffer(content["offsets"], _I4) if len(content["offsets"]) % 4 == 0 else _NO_OFFSETS
        items, rest = divmod(len(content["codes"]), 4)
        if len(offsets) != self.n + 1 or rest or offsets[0] != 0 or offsets[-1] != items:
            raise BadEvent(Reason.INCONSISTENT, f"the offsets of {field} do not fit its {self.n} events")
        if (np.diff(offsets) < 0).any():
            raise BadEvent(Reason.INCONSISTENT, f"the offsets of {field} fall")
        codes: Codes = np.frombuffer(content["codes"], _I4)
        self._check_values(field, codes, content["values"], 0, self._limits.id_length)
        grades = content.get("grades")
        if grades is not None and len(grades) != 8 * items:
            raise _length(field, len(grades), 8 * items)
        return ItemLists(
            offsets.astype(np.int64),
            codes,
            tuple(content["values"]),
            np.ones(self.n, np.bool_),
            None if grades is None else np.frombuffer(grades, _F8),
        )

    def _strings(self, field: str, content: dict[str, Any]) -> Categories:
        codes: Codes = self._fixed(field, content["codes"], _I4)
        values: list[str] = content["values"]
        self._check_values(field, codes, values, -1, self._limits.string_length)
        return Categories(codes, tuple(values))

    def _check_values(self, field: str, codes: Codes, values: list[str], lowest: int, longest: int) -> None:
        if codes.size and (codes - lowest).view(np.uint32).max() >= len(values) - lowest:
            raise BadEvent(Reason.INCONSISTENT, f"{field} holds a code beyond its {len(values)} values")
        if len(set(values)) != len(values):
            raise BadEvent(Reason.INCONSISTENT, f"{field} names a value twice")
        if values and max(map(len, values)) > longest:
            raise BadEvent(Reason.OVERSIZED, f"a value in {field} has over {longest} characters")


def _length(field: str, found: int, expected: int) -> BadEvent:
    return BadEvent(Reason.INCONSISTENT, f"a column in {field} has {found} bytes; its events take {expected}")

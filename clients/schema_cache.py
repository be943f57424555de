"""What a schema registry has said of schema ids, within bounds: of memory, and of questions to it."""

import time
from collections import OrderedDict
from collections.abc import Callable

from streamgauge.clients.schema_registry import Found
from streamgauge.schemas.errors import BadEvent, Reason, StreamgaugeError
from streamgauge.schemas.registry import Schema

#: Of all schemas that are kept, as text; in memory each takes some ten times that.
MOST_SCHEMA_BYTES = 8 << 20
#: However short its answer was, an id takes so much.
_LEAST_BYTES = 500
MOST_UNKNOWN = 10_000
#: An id that nobody had registered is asked for again after so long.
UNKNOWN_S = 60.0
#: So many ids that turn out unknown may be asked for at once, and then so many a second.
UNKNOWN_BURST, UNKNOWN_PER_S = 100, 10


class SchemaCache:
    """Answers by schema id; ids are immutable, so what was found stays true.

    What `lacks` says is there, `resolve` finds until `trim` is called. A flood of made-up ids is not passed
    on: once too many have turned out unknown, those that follow are refused without a question.

    >>> cache = SchemaCache()
    >>> cache.lacks(7)
    True
    >>> cache.put(7, Found(BadEvent(Reason.UNKNOWN_SCHEMA, "no"), final=False))
    >>> cache.lacks(7), cache.is_calm
    (False, False)
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._found: OrderedDict[int, Found] = OrderedDict()
        self._size = 0
        #: Why an id is refused for now, and until when that is not asked again.
        self._unknown: dict[int, tuple[BadEvent, float]] = {}
        self._spare = float(UNKNOWN_BURST)
        self._counted = clock()

    @property
    def is_calm(self) -> bool:
        """Whether no id has turned out unknown of late."""
        self._refill()
        return self._spare >= UNKNOWN_BURST

    def lacks(self, number: int) -> bool:
        """Whether the registry is to be asked for this id."""
        if number in self._found:
            return False
        known = self._unknown.get(number)
        if known is not None and self._clock() < known[1]:
            return False
        self._refill()
        if self._spare >= 1:
            return True
        if known is None:
            detail = (
                f"schema id {number} was not asked for: of {UNKNOWN_PER_S} ids a second, the schema registry "
                "knows none; send the letter again when that is over"
            )
            self._unknown[number] = BadEvent(Reason.UNKNOWN_SCHEMA, detail), 0.0
        return False

    def put(self, number: int, found: Found) -> None:
        """What the registry said of an id."""
        if isinstance(found.schema, BadEvent) and not found.final:
            self._unknown.pop(number, None)
            self._unknown[number] = found.schema, self._clock() + UNKNOWN_S
            self._refill()
            self._spare -= 1
            return
        self._unknown.pop(number, None)
        if number not in self._found:
            self._size += max(found.size, _LEAST_BYTES)
            self._found[number] = found

    def resolve(self, number: int) -> Schema:
        """A `streamgauge.schemas.framing.Resolver`. Raises `BadEvent` for an id that is refused."""
        found = self._found.get(number)
        if found is not None:
            self._found.move_to_end(number)
            schema = found.schema
        elif number in self._unknown:
            schema = self._unknown[number][0]
        else:
            raise StreamgaugeError(f"nobody has looked for schema id {number}, which is a defect")
        if isinstance(schema, BadEvent):
            raise BadEvent(schema.reason, schema.detail)
        return schema

    def trim(self) -> None:
        """Forget what was used longest ago, beyond the bounds. Whatever was looked for must be decoded."""
        while self._size > MOST_SCHEMA_BYTES:
            _, found = self._found.popitem(last=False)
            self._size -= max(found.size, _LEAST_BYTES)
        while len(self._unknown) > MOST_UNKNOWN:
            del self._unknown[next(iter(self._unknown))]

    def _refill(self) -> None:
        now = self._clock()
        self._spare = min(UNKNOWN_BURST, self._spare + (now - self._counted) * UNKNOWN_PER_S)
        self._counted = now

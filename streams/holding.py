"""Partitions whose next message needs a schema that is not known yet: what comes for them waits, in order."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from streamgauge.schemas.framing import schema_id_of
from streamgauge.schemas.message import Message
from streamgauge.streams.schema_lookup import SchemaLookup

#: So many messages, or bytes, of a partition wait in memory before no more are fetched for it.
_MOST_WAITING = 256
_MOST_WAITING_BYTES = 1_000_000


@dataclass(slots=True)
class _Waiting:
    messages: list[Message] = field(default_factory=list)
    size: int = 0
    full: bool = False
    work: "asyncio.Task[None] | None" = None


class Holding:
    """Sees to it that no message is applied before its schema is known. All in the event loop.

    One partition waits, the others go on. `release` is given what has waited, `hold` the partitions of which
    no more is to be read for now; `fail` ends the process.
    """

    def __init__(
        self,
        lookup: SchemaLookup | None,
        release: Callable[[int, Sequence[Message]], None],
        hold: Callable[[frozenset[int]], None],
        fail: Callable[[BaseException], NoReturn],
    ) -> None:
        self._lookup = lookup
        self._release = release
        self._hold = hold
        self._fail = fail
        self._waiting: dict[int, _Waiting] = {}

    @property
    def numbers(self) -> frozenset[int]:
        """Of the partitions that wait."""
        return frozenset(self._waiting)

    @property
    def trouble(self) -> str:
        """What partitions wait for, if the registry does not answer."""
        if self._lookup is None or not self._waiting or not self._lookup.trouble:
            return ""
        return f"partitions {sorted(self._waiting)} wait for a schema: {self._lookup.trouble}"

    def takes(self, number: int, message: Message) -> bool:
        """Whether a message of this partition has to wait; it is then kept here."""
        if self._lookup is None:
            return False
        waiting = self._waiting.get(number)
        if waiting is None:
            if self._wanted([message]) is None:
                return False
            waiting = self._waiting[number] = _Waiting()
            waiting.work = asyncio.create_task(self._guarded(number, waiting))
        waiting.messages.append(message)
        waiting.size += len(message.value or b"")
        many = len(waiting.messages) >= _MOST_WAITING or waiting.size >= _MOST_WAITING_BYTES
        if many and not waiting.full:
            waiting.full = True
            self._tell()
        return True

    def applied(self) -> None:
        """Everything that did not have to wait has been applied."""
        if self._lookup is not None:
            self._lookup.cache.trim()

    def clear(self) -> None:
        """What waits comes again, from the committed offsets, for whoever has the partitions then."""
        for waiting in self._waiting.values():
            if waiting.work is not None:
                waiting.work.cancel()
        if self._waiting:
            self._waiting.clear()
            self._tell()

    def _tell(self) -> None:
        self._hold(frozenset(number for number, waiting in self._waiting.items() if waiting.full))

    async def _guarded(self, number: int, waiting: _Waiting) -> None:
        try:
            await self._settle(number, waiting)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001
            self._fail(error)

    async def _settle(self, number: int, waiting: _Waiting) -> None:
        assert self._lookup is not None
        while (wanted := self._wanted(waiting.messages)) is not None:
            await self._lookup.find(wanted)
        del self._waiting[number]
        if waiting.full:
            self._tell()
        self._release(number, waiting.messages)

    def _wanted(self, messages: Sequence[Message]) -> int | None:
        """The first schema id that is to be looked for."""
        assert self._lookup is not None
        for message in messages:
            number = schema_id_of(message.value, message.headers)
            if number is not None and self._lookup.cache.lacks(number):
                return number
        return None

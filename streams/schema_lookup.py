"""Asks the schema registry for what messages need, outside the event loop, until it answers."""

import asyncio
import time

import structlog

from streamgauge.clients.registry_address import SchemaRegistry
from streamgauge.clients.schema_cache import SchemaCache
from streamgauge.clients.schema_registry import Found, RegistryError, fetch
from streamgauge.schemas.registry import Schema
from streamgauge.streams.telemetry import Telemetry

log = structlog.get_logger("streamgauge.schemas")

#: Between attempts while the registry is away.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 15.0
#: Of several registries, the one that is asked may hear of a new schema a little later than its sender did.
_SECOND_LOOK_S = 1.0


class SchemaLookup:
    """One worker's questions to its registry, one at a time. All in the event loop, but for the asking."""

    def __init__(self, registry: SchemaRegistry, telemetry: Telemetry) -> None:
        self.cache = SchemaCache()
        self._registry = registry
        self._telemetry = telemetry
        self._asking = asyncio.Lock()
        self._away: RegistryError | None = None
        self._away_since = 0.0

    @property
    def trouble(self) -> str:
        """Why the registry does not answer, in words; empty if it does, or was not asked."""
        return "" if self._away is None else str(self._away)

    async def find(self, number: int) -> None:
        """Return once the cache has what the registry says of this id, however long that takes."""
        pause_s, first = _FIRST_PAUSE_S, True
        while True:
            async with self._asking:
                if not self.cache.lacks(number):
                    return
                found = await self._ask(number)
            if found is None:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            elif not found.final and first and self.cache.is_calm:
                first = False
                await asyncio.sleep(_SECOND_LOOK_S)
            else:
                self._note(number, found)
                return

    async def _ask(self, number: int) -> Found | None:
        try:
            found = await asyncio.to_thread(fetch, self._registry, number)
        except RegistryError as error:
            self._telemetry.schema_lookups.labels("failed").inc()
            if self._away is None:
                self._away_since = time.monotonic()
                log.error("schema_registry_away", schema_id=number, cause=error.cause, advice=error.advice)
            self._away = error
            return None
        if self._away is not None:
            seconds = round(time.monotonic() - self._away_since, 1)
            log.info("schema_registry_back", seconds=seconds)
            self._away = None
        return found

    def _note(self, number: int, found: Found) -> None:
        self.cache.put(number, found)
        if isinstance(found.schema, Schema):
            outcome = "found"
            log.info("schema_found", schema_id=number, name=found.schema.name)
        else:
            outcome = "refused" if found.final else "unknown"
            log.warning(f"schema_{outcome}", schema_id=number, cause=found.schema.detail)
        self._telemetry.schema_lookups.labels(outcome).inc()

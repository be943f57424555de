"""A resolver of schema ids for whoever may wait: it asks the registry when an id is new."""

import time
from collections.abc import Callable

from streamgauge.clients.registry_address import SchemaRegistry
from streamgauge.clients.schema_cache import SchemaCache
from streamgauge.clients.schema_registry import Found, RegistryError, fetch
from streamgauge.schemas.registry import Schema

#: Before the second, third and fourth attempt to reach a registry.
_PAUSES_S = (0.5, 1.0, 2.0)


def resolver_of(registry: SchemaRegistry | None) -> Callable[[int], Schema] | None:
    """A `streamgauge.schemas.framing.Resolver` that raises `RegistryError` if the registry stays away.

    >>> resolver_of(None) is None
    True
    """
    if registry is None:
        return None
    cache = SchemaCache()

    def resolve(number: int) -> Schema:
        cache.trim()
        if cache.lacks(number):
            cache.put(number, _fetch(registry, number))
        return cache.resolve(number)

    return resolve


def _fetch(registry: SchemaRegistry, number: int) -> Found:
    for pause_s in _PAUSES_S:
        try:
            return fetch(registry, number)
        except RegistryError:
            time.sleep(pause_s)
    return fetch(registry, number)

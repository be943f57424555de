"""The functions of librdkafka that confluent-kafka does not offer, from the very library it is linked to."""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import confluent_kafka.cimpl

from streamgauge.schemas.errors import ConfigurationError


@cache
def function(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    """The C function `name` with these ctypes. Raises `ConfigurationError` if the build hides it.

    >>> function("rd_kafka_version_str", ctypes.c_char_p)().count(b".")
    2
    """
    try:
        found = getattr(_library(), name)
    except AttributeError as missing:
        raise ConfigurationError(
            f"this confluent-kafka hides librdkafka's functions ({missing}); install its wheel from PyPI"
        ) from missing
    found.restype, found.argtypes = result, list(arguments)
    return found  # type: ignore[no-any-return]


@cache
def _library() -> ctypes.CDLL:
    # The extension module's own handle: looking up a symbol in it searches what it is linked to.
    return ctypes.CDLL(confluent_kafka.cimpl.__file__)

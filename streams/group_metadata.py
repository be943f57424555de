"""A consumer's membership as the bytes that `send_offsets_to_transaction` takes.

confluent-kafka makes them only for its own consumers; ours is Faust's. librdkafka builds them from any
generation and member id, and the broker refuses those of a stale generation.
"""

import ctypes
from functools import cache

import confluent_kafka.cimpl

from streamgauge.schemas.errors import ConfigurationError


def group_metadata(group: str, generation: int, member: str) -> bytes:
    """The membership of `member` in `generation` of `group`.

    >>> group_metadata("workers", 7, "member-1")[:6]
    b'CGMDv2'
    """
    rdkafka = _librdkafka()
    metadata = rdkafka.rd_kafka_consumer_group_metadata_new_with_genid(
        group.encode(), generation, member.encode(), None
    )
    buffer, size = ctypes.c_void_p(), ctypes.c_size_t()
    error = rdkafka.rd_kafka_consumer_group_metadata_write(metadata, ctypes.byref(buffer), ctypes.byref(size))
    rdkafka.rd_kafka_consumer_group_metadata_destroy(metadata)
    if error:
        rdkafka.rd_kafka_error_destroy(error)
        raise ValueError(f"group {group!r}, member {member!r}: printable ASCII only")
    written = ctypes.string_at(buffer, size.value)
    rdkafka.rd_kafka_mem_free(None, buffer)
    return written


@cache
def _librdkafka() -> ctypes.CDLL:
    """The librdkafka that confluent-kafka itself is linked to, found through its extension module."""
    library = ctypes.CDLL(confluent_kafka.cimpl.__file__)
    try:
        new = library.rd_kafka_consumer_group_metadata_new_with_genid
        write = library.rd_kafka_consumer_group_metadata_write
        destroy = library.rd_kafka_consumer_group_metadata_destroy
        destroy_error, free = library.rd_kafka_error_destroy, library.rd_kafka_mem_free
    except AttributeError as missing:
        raise ConfigurationError(
            f"this confluent-kafka hides librdkafka's functions ({missing}); install its wheel from PyPI"
        ) from missing
    new.restype, new.argtypes = (
        ctypes.c_void_p,
        [ctypes.c_char_p, ctypes.c_int32, ctypes.c_char_p, ctypes.c_char_p],
    )
    write.restype = ctypes.c_void_p
    write.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_size_t)]
    destroy.restype, destroy.argtypes = None, [ctypes.c_void_p]
    destroy_error.restype, destroy_error.argtypes = None, [ctypes.c_void_p]
    free.restype, free.argtypes = None, [ctypes.c_void_p, ctypes.c_void_p]
    return library

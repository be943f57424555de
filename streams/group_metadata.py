"""A consumer's membership as the bytes that `send_offsets_to_transaction` takes.

confluent-kafka makes them only for its own consumers; ours is Faust's. librdkafka builds them from any
generation and member id, and the broker refuses those of a stale generation.
"""

from ctypes import POINTER, byref, c_char_p, c_int32, c_size_t, c_void_p, string_at

from streamgauge.streams.librdkafka import function


def group_metadata(group: str, generation: int, member: str) -> bytes:
    """The membership of `member` in `generation` of `group`. Raises ValueError on names that are not ASCII.

    >>> group_metadata("workers", 7, "member-1")
    b'CGMDv2:\\x07\\x00\\x00\\x00workers\\x00member-1\\x00\\x01'
    """
    new = function(
        "rd_kafka_consumer_group_metadata_new_with_genid", c_void_p, c_char_p, c_int32, c_char_p, c_char_p
    )
    write = function(
        "rd_kafka_consumer_group_metadata_write", c_void_p, c_void_p, POINTER(c_void_p), POINTER(c_size_t)
    )
    metadata = new(group.encode(), generation, member.encode(), None)
    buffer, size = c_void_p(), c_size_t()
    error = write(metadata, byref(buffer), byref(size))
    function("rd_kafka_consumer_group_metadata_destroy", None, c_void_p)(metadata)
    if error:
        function("rd_kafka_error_destroy", None, c_void_p)(error)
        raise ValueError(f"group {group!r}, member {member!r}: printable ASCII only")
    written = string_at(buffer, size.value)
    function("rd_kafka_mem_free", None, c_void_p, c_void_p)(None, buffer)
    return written

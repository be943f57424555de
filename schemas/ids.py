"""Prediction ids: 16 bytes in memory whatever a producer calls them, and UUIDv7 for those who have none."""

import re
from collections.abc import Iterable
from hashlib import blake2b

import numpy as np

from streamgauge.schemas.batch import ID_DTYPE, Ids

_UUID = re.compile(
    "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}", re.ASCII
).fullmatch


def identity(prediction_id: str) -> bytes:
    """16 bytes: a UUID's own (8-4-4-4-12, either case), or BLAKE2b-128 of any other string in UTF-8.

    >>> identity("01975bcd-0000-7000-8000-0123456789ab").hex()
    '01975bcd0000700080000123456789ab'
    >>> identity("order-17").hex()
    'dfc164b129ef6f11861bd2062345a12b'
    """
    if _UUID(prediction_id):
        return bytes.fromhex(prediction_id.replace("-", ""))
    return blake2b(prediction_id.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def identities(prediction_ids: Iterable[str]) -> Ids:
    """`identity` of each, as a column of shape (n,), dtype S16."""
    return np.frombuffer(b"".join(map(identity, prediction_ids)), dtype=ID_DTYPE)


def uuid7(time_us: int, random_bytes: bytes) -> str:
    """A UUIDv7 (RFC 9562, section 5.7): 48 bits of milliseconds, then 74 of the 80 bits of `random_bytes`.

    Pure: the caller brings the time and 10 random bytes.

    >>> uuid7(1795255200123456, bytes(range(10)))
    '01a1fd8c-697b-7001-8203-040506070809'
    """
    if len(random_bytes) != 10:
        raise ValueError(f"a UUIDv7 takes 10 random bytes, not {len(random_bytes)}")
    number = (time_us // 1_000 & 0xFFFF_FFFF_FFFF) << 80 | int.from_bytes(random_bytes, "big")
    number = number & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

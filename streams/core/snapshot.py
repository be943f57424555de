"""How state becomes bytes and back: versioned, checksummed MessagePack, never pickle.

A snapshot is ``SG``, one byte of format version, the CRC-32 of the body (4 bytes, big-endian), and the body.
Arrays travel as an extension type: integers narrowed to the smallest width that holds them, and mostly-zero
counts as positions and values, so that a histogram costs what it holds.
"""

import zlib
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamgauge.schemas.errors import StateError

#: What is written: the release before this one reads it too (docs/adr/0019).
FORMAT = 1
#: What is read: what this release and the one before it write, and what the next one will.
READS = (1,)
_MAGIC = b"SG"
_HEADER = 7
_ARRAY = 1
_SPARSE_FROM = 64

Wanted = TypeVar("Wanted", bound=msgspec.Struct)


def encode_state(state: object) -> bytes:
    """Bytes of a plain structure: None, bool, int, float, str, bytes, list, dict, numpy arrays.

    >>> decode_state(encode_state({"n": 3, "counts": np.array([0, 2])}))["counts"]
    array([0, 2])
    """
    body = _ENCODER.encode(state)
    return _MAGIC + bytes([FORMAT]) + zlib.crc32(body).to_bytes(4, "big") + body


def decode_state(data: bytes) -> Any:
    """What `encode_state` was given. Raises `StateError` on damage, or a format that is not among `READS`."""
    return _DECODER.decode(_body(data))


def check_form(data: bytes) -> None:
    """Raises `StateError` if this is no snapshot, or of a format that is not among `READS`."""
    if data[:2] != _MAGIC or len(data) < _HEADER:
        raise StateError(
            "this is not a Streamgauge snapshot; does the state topic belong to another program?"
        )
    if data[2] not in READS:
        newer = data[2] > max(READS)
        advice = (
            "start the release that wrote it, or a newer one; to go back, go one release at a time"
            if newer
            else "start a release in between first, and let it commit"
        )
        raise StateError(f"the snapshot has format {data[2]}, this release reads {_numbers(READS)}: {advice}")


def read_state(data: bytes, wanted: type[Wanted]) -> Wanted:
    """As `decode_state`, of a map whose fields are known. Raises `StateError`."""
    body = _body(data)
    try:
        return msgspec.msgpack.decode(body, type=wanted)
    except msgspec.MsgspecError as error:
        raise StateError(f"the snapshot is damaged: {error}") from error


def _body(data: bytes) -> memoryview:
    check_form(data)
    body = memoryview(data)[_HEADER:]
    if zlib.crc32(body) != int.from_bytes(data[3:_HEADER], "big"):
        raise StateError("the snapshot is damaged: its checksum does not match")
    return body


def _numbers(formats: tuple[int, ...]) -> str:
    return " and ".join(map(str, formats))


def _narrowed(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind != "i" or array.size == 0:
        return array
    low, high = int(array.min()), int(array.max())
    for dtype in (np.int8, np.int16, np.int32):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return array.astype(dtype)
    return array


def _pack(value: object) -> object:
    if isinstance(value, np.ndarray):
        flat = np.ascontiguousarray(value).reshape(-1)
        positions: bytes | None = None
        if flat.dtype.kind == "i" and flat.size >= _SPARSE_FROM:
            nonzero = np.flatnonzero(flat)
            if nonzero.size * 4 < flat.size:
                flat, positions = flat[nonzero], nonzero.astype(np.int32).tobytes()
        packed = _narrowed(flat)
        fields = (value.dtype.str, list(value.shape), packed.dtype.str, packed.tobytes(), positions)
        return msgspec.msgpack.Ext(_ARRAY, msgspec.msgpack.encode(fields))
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a snapshot cannot hold a {type(value).__name__}")


def _unpack(code: int, data: memoryview) -> NDArray[Any]:
    if code != _ARRAY:
        raise StateError(f"the snapshot holds an unknown extension type {code}")
    dtype, shape, packed, raw, positions = msgspec.msgpack.decode(data)
    values = np.frombuffer(raw, dtype=packed).astype(dtype)
    if positions is None:
        return values.reshape(shape)
    dense = np.zeros(int(np.prod(shape)), dtype=dtype)
    dense[np.frombuffer(positions, dtype=np.int32)] = values
    return dense.reshape(shape)


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_pack)
_DECODER = msgspec.msgpack.Decoder(ext_hook=_unpack)

"""Identities of many prediction ids at once: UUIDs without a Python object for each."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamgauge.schemas.batch import ID_DTYPE, Ids
from streamgauge.schemas.ids import identities

_UUID_LENGTH = 36
_DASHES = [8, 13, 18, 23]
_DIGITS = [at for at in range(_UUID_LENGTH) if at not in _DASHES]
_VALUES = np.full(256, 255, np.uint8)
for _digit in "0123456789abcdefABCDEF":
    _VALUES[ord(_digit)] = int(_digit, 16)


def many_identities(prediction_ids: Sequence[str]) -> Ids:
    """The same as `schemas.ids.identities`: dtype S16, shape (n,).

    >>> many_identities(["01975bcd-0000-7000-8000-0123456789ab"])[0].hex()
    '01975bcd0000700080000123456789ab'
    """
    if set(map(len, prediction_ids)) == {_UUID_LENGTH}:
        joined = "".join(prediction_ids)
        if joined.isascii():
            found = uuid_identities(np.frombuffer(joined.encode("ascii"), np.uint8))
            if found is not None:
                return found
    return identities(prediction_ids)


def uuid_identities(text: NDArray[np.uint8]) -> Ids | None:
    """Identities of texts of 36 bytes each, one after the other; None if one of them is no UUID."""
    letters = text.reshape(-1, _UUID_LENGTH)
    digits = _VALUES[letters[:, _DIGITS]]
    if np.any(digits > 15) or np.any(letters[:, _DASHES] != ord("-")):
        return None
    packed = np.bitwise_or(digits[:, 0::2] << 4, digits[:, 1::2], dtype=np.uint8)
    return np.ascontiguousarray(packed).view(ID_DTYPE).reshape(-1)

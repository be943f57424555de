"""Keys of the records of the `state` topic: JSON arrays, so that people can read the topic."""

import json

PREDICTIONS = "predictions"
_BLOCK_OF_PREDICTIONS = b'["predictions",'


def key_of(*parts: object) -> bytes:
    """The key of what these parts name.

    >>> key_of("predictions", "credit", 7)
    b'["predictions","credit",7]'
    """
    return json.dumps(parts, separators=(",", ":"), ensure_ascii=False).encode()


def may_stay_on_disk(key: bytes) -> bool:
    """Whether the record is one that `ColdTable` reads when it is asked for it."""
    return key.startswith(_BLOCK_OF_PREDICTIONS)

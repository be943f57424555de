"""Keys of the records of the `state` topic: JSON arrays, so that people can read the topic."""

import json

PREDICTIONS, WINDOW, ROLLUP = "predictions", "window", "rollup"


def key_of(*parts: object) -> bytes:
    """The key of what these parts name.

    >>> key_of("predictions", "credit", 7)
    b'["predictions","credit",7]'
    """
    return json.dumps(parts, separators=(",", ":"), ensure_ascii=False).encode()

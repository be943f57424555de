"""What makes two findings the same trouble."""

import hashlib
import json
from collections.abc import Iterable


def fingerprint(model: str, version: str, monitor: str, segment: Iterable[tuple[str, str]]) -> str:
    """16 bytes of SHA-256 over a JSON array, as hex; `segment` is sorted.

    >>> fingerprint("credit", "7", "accuracy", (("country", "NO"),))
    'b13b6a89aede46ab038b2d2b084ec685'
    """
    identity = json.dumps([model, version, monitor, [list(pair) for pair in segment]], separators=(",", ":"))
    return hashlib.sha256(identity.encode()).digest()[:16].hex()

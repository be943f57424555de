"""Signatures of webhooks by the Standard Webhooks scheme, with a symmetric key."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote

_PREFIX = "whsec_"


def signing_key(secret: str) -> bytes:
    """The key of a secret: 24 to 64 bytes in base64, after ``whsec_``. Raises ValueError.

    >>> len(signing_key("whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    24
    """
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("a secret is whsec_ and 24 to 64 bytes in base64") from error
    if not secret.startswith(_PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError("a secret is whsec_ and 24 to 64 bytes in base64")
    return key


def signed(message_id: str, seconds: int, body: bytes, secret: str) -> Mapping[str, str]:
    """The three headers; `seconds` since 1970 is when this attempt is made.

    In the id all but ASCII letters, digits and ``_.-~:`` is percent-encoded: names of models may be in any
    script, headers may not.

    >>> signed("crédit:7:1", 0, b"", "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")["webhook-id"]
    'cr%C3%A9dit:7:1'
    """
    message_id = quote(message_id, safe=":")
    content = f"{message_id}.{seconds}.".encode() + body
    signature = base64.b64encode(hmac.digest(signing_key(secret), content, hashlib.sha256)).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{signature}",
    }

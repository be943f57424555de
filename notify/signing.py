"""Signatures of webhooks by the Standard Webhooks scheme, with a symmetric key."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

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
    """The three headers; `seconds` since 1970 is when this attempt is made."""
    content = f"{message_id}.{seconds}.".encode() + body
    signature = base64.b64encode(hmac.digest(signing_key(secret), content, hashlib.sha256)).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{signature}",
    }

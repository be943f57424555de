"""What a target answers may repeat what it was sent: its secrets are taken out before anybody is told."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from streamgauge.notify.config import Target
from streamgauge.schemas.telling import HIDDEN

#: What is shorter would be found in any text. A part may be a word, such as Bearer; a secret is none.
_LEAST, _LEAST_OF_PART = 4, 8


def secrets_of(target: Target) -> tuple[str, ...]:
    """Everything that a target's configuration calls secret, the longest first; of a URL its parts too.

    >>> from streamgauge.notify.config import SlackTarget
    >>> secrets_of(SlackTarget(kind="slack", url="https://me:pass-word@hooks.example/services/T0123456"))
    ('https://me:pass-word@hooks.example/services/T0123456', 'pass-word', 'T0123456', 'services')
    """
    found: set[str] = set()
    for _, value in target:
        for each in value.values() if isinstance(value, dict) else (value,):
            if isinstance(each, SecretStr):
                secret = each.get_secret_value()
                found |= {secret} if len(secret) >= _LEAST else set()
                found |= {part for part in _parts(secret) if len(part) >= _LEAST_OF_PART}
    return tuple(sorted(found, key=lambda part: (-len(part), part)))


def hide(text: str, secrets: Iterable[str]) -> str:
    """The text without them.

    >>> hide("403: no such key: abc-123", ["abc-123"])
    '403: no such key: ***'
    """
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text


def _parts(secret: str) -> set[str]:
    """A header is ``Bearer`` and a token, a URL has a password, a path and a query."""
    found = set(secret.split())
    try:
        parts: Any = urlsplit(secret)
    except ValueError:
        return found
    if parts.scheme and parts.netloc:
        pieces = [parts.password or "", *parts.path.split("/"), *parts.query.replace("&", "=").split("=")]
        found |= {*pieces, *map(unquote, pieces)}
    return found

"""What must not leave the process: named values are taken out, or replaced by a keyed hash."""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

from streamgauge.schemas.errors import ConfigurationError


class Privacy:
    """Redaction and keyed hashing by name, in features, groups and segments alike.

    A hash is 16 hexadecimal digits of BLAKE2b keyed with `key` (at least 16 bytes): equal values stay
    equal, so drift can still be seen, and without the key nobody can guess values and compare. Numbers
    that are equal hash equally, whatever their type. Raises `ConfigurationError`.

    >>> privacy = Privacy(redact=["name"], hashed=["zip"], key=b"0123456789abcdef")
    >>> masked = privacy.mask({"name": "Ada", "zip": 1234, "age": 36})
    >>> masked["age"], "name" in masked, masked["zip"] == privacy.mask({"zip": 1234.0})["zip"]
    (36, False, True)
    """

    def __init__(self, redact: Iterable[str] = (), hashed: Iterable[str] = (), key: bytes = b"") -> None:
        self._redact = frozenset([redact] if isinstance(redact, str) else redact)
        self._hashed = frozenset([hashed] if isinstance(hashed, str) else hashed)
        if self._hashed and not 16 <= len(key) <= 64:
            raise ConfigurationError(
                f"hashing {', '.join(sorted(self._hashed))} needs a secret key of 16 to 64 bytes: "
                "give hash_key, or set STREAMGAUGE_HASH_KEY"
            )
        self._key = key
        self._names = self._redact | self._hashed

    @property
    def active(self) -> bool:
        """Whether there is anything to mask."""
        return bool(self._names)

    def mask(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """The same mapping without what is redacted, and with hashes in place of what is hashed."""
        if self._names.isdisjoint(values):
            return values
        return {
            name: self._hash(value) if name in self._hashed and value is not None else value
            for name, value in values.items()
            if name not in self._redact
        }

    def _hash(self, value: Any) -> str | None:
        text = _canonical(value)
        return None if text is None else blake2b(text.encode(), digest_size=8, key=self._key).hexdigest()


def _canonical(value: Any) -> str | None:
    """One text for equal values, whatever their type; None for NaN. Raises what `float` raises."""
    if isinstance(value, str):
        return str(value)
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)  # an identity number may be beyond what a float holds exactly
    number = float(value)
    if number != number:
        return None
    return str(int(number)) if number.is_integer() else repr(number)

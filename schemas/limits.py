"""How large an input may be. Everything beyond a limit is refused with its reason, never cut in silence."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one message. Lengths of strings are in characters.

    `id_length` bounds ids and names: prediction ids, models, versions, and names of features, groups,
    segments and classes. `string_length` bounds values.
    """

    message_bytes: int = 1 << 20
    events: int = 10_000
    features: int = 1_000
    groups: int = 50
    segments: int = 50
    classes: int = 1_000
    items: int = 1_000
    id_length: int = 256
    string_length: int = 1_024
    json_depth: int = 8


DEFAULT = Limits()
#: Of an item's relevance: beyond it, what is summed would lose its last digits.
HIGHEST_GRADE = 1e6

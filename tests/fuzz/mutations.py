"""`Mutator`: valid messages become hostile ones, from a seed: flips, cuts, splices, lengths that lie."""

import re
from collections.abc import Sequence
from random import Random

#: What a JSON or YAML token is replaced with.
LITERALS = (
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1e999",
    b"-1e-400",
    b"NaN",
    b"-Infinity",
    b"9" * 25,
    b"9" * 400,
    b"0.1",
    b"[]",
    b"{}",
    b'""',
    b'"\\ud800"',
    b'"\\u0000"',
    b'"' + b"x" * 300 + b'"',
    b'"' + b"x" * 1_100 + b'"',
    b"[" * 9 + b"]" * 9,
    b'{"a":' * 9 + b"1" + b"}" * 9,
    b"[[" * 400,
    b'"2006-02-30T00:00:00Z"',
    b'"2099-12-31T23:59:59.999999+23:59"',
    b"4102444799999999",
    b"946684800000000",
    b"*a",
    b"&a [*a, *a]",
    b"!!python/object/apply:os.getcwd []",
    b"<<: *a",
)
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[A-Za-z_]\w*')
#: Zigzag varints and fixed integers where a length, a count or a code may stand.
_LENGTHS = (
    b"\x00",
    b"\x01",
    b"\x02",
    b"\x7f",
    b"\xfe\x01",
    b"\xfe\xff\x03",
    b"\xfe\xff\xff\xff\x0f",
    b"\xff\xff\xff\xff\x0f",
    b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\xff" * 12,
    b"\xff\xff\xff\x7f",
    b"\x00\x00\x00\x80",
    b"\x00\x00\x00\x00\x00\x00\xf8\x7f",
    b"\x00\x00\x00\x00\x00\x00\xf0\xff",
)


class Mutator:
    """Hostile bytes, the same for the same seed.

    >>> Mutator(7).mutate([b"abc"]) == Mutator(7).mutate([b"abc"])
    True
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def mutate(self, corpus: Sequence[bytes]) -> bytes:
        """One of the corpus, damaged in one to four places; now and then something that never was valid."""
        if self.random.random() < 0.02:
            return self.random.randbytes(self.random.randrange(200))
        sent = self.random.choice(corpus)
        for _ in range(self.random.choice((1, 1, 1, 2, 2, 3, 4))):
            sent = self.random.choice(_MUTATIONS)(self.random, sent, corpus)
        return sent[: 1 << 16]  # so that repetitions stay fast; growth is measured with large ones


def _flip(random: Random, sent: bytes, corpus: Sequence[bytes]) -> bytes:
    if not sent:
        return b"\x00"
    at = random.randrange(len(sent))
    return sent[:at] + bytes([sent[at] ^ 1 << random.randrange(8)]) + sent[at + 1 :]


def _cut(random: Random, sent: bytes, corpus: Sequence[bytes]) -> bytes:
    return sent[: random.randrange(len(sent) + 1)]


def _delete(random: Random, sent: bytes, corpus: Sequence[bytes]) -> bytes:
    at = random.randrange(len(sent) + 1)
    return sent[:at] + sent[at + random.randrange(1, 20) :]


def _repeat(random: Random, sent: bytes, corpus: Sequence[bytes]) -> bytes:
    low, high = sorted((random.randrange(len(sent) + 1), random.randrange(len(sent) + 1)))
    return sent[:high] + sent[low:high] * random.choice((1, 1, 2, 7, 40)) + sent[high:]


def _splice(random: Random, sent: bytes, corpus: Sequence[bytes]) -> bytes:
    other = random.choice(corpus)
    return sent[: random.randrange(len(sent) + 1)] + other[random.randrange(len(other) + 1) :]


def _lie(random: Random, sent: bytes, corpus: Sequence[bytes]) -> bytes:
    """Another length, count or code: over what is there, or between."""
    lie = random.choice(_LENGTHS)
    at = random.randrange(len(sent) + 1)
    return sent[:at] + lie + sent[at + random.choice((0, 1, len(lie))) :]


def _retoken(random: Random, sent: bytes, corpus: Sequence[bytes]) -> bytes:
    """Another value, or another token of the same message, where a token of a text stands."""
    tokens = list(_TOKEN.finditer(sent))
    if not tokens:
        return _flip(random, sent, corpus)
    token = random.choice(tokens)
    new = random.choice(LITERALS) if random.random() < 0.7 else random.choice(tokens).group()
    return sent[: token.start()] + new + sent[token.end() :]


_MUTATIONS = (_flip, _flip, _cut, _delete, _repeat, _splice, _lie, _lie, _retoken, _retoken, _retoken)

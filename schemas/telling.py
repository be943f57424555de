"""What may be told of a setting: people paste addresses with passwords where none belong."""

import re

#: What a host, a path, a name, a number or a list of them is made of.
_PLAIN = re.compile(r"[\w.,:/\\\[\]+ -]*")
#: ``scheme://user:password@``, and ``user:password@host:9092``, which Kafka's addresses look like.
_CREDENTIALS = re.compile(
    r"(?<![\w+.-])(?:([a-z][\w+.-]*:/+)\S*@|[^\s:'\"]+:\S*@(?=(?:[\w.-]+|\[[\w.:%]+\]):\d))", re.IGNORECASE
)
#: In a query, or in a configuration of Java's: ``?token=…``, ``password="…"``.
_NAMED = re.compile(
    r"((?:\b[\w.-]*(?:password|passwd|pwd|secret|token|api[_-]?key|signature|sig)|[?&](?:key|code|auth))\s*=\s*)"
    r"(?:\\?\"[^\"]*\"|'[^']*'|[^\s&;,'\"\\]+)",
    re.IGNORECASE,
)
HIDDEN = "***"


def shown(value: str) -> str:
    """A setting's value in quotes, or why it is not repeated.

    >>> shown("broker"), shown("app:secret@broker:9092")
    ("'broker'", 'what is there (it is not repeated, for it may hold a secret)')
    """
    if _PLAIN.fullmatch(value) and not _NAMED.search(value):
        return repr(value)
    return "what is there (it is not repeated, for it may hold a secret)"


def redacted(text: str) -> str:
    """A text without the credentials that can be told by their form.

    >>> redacted("no answer from https://app:secret@r:8081/a?token=abc&n=1; try again")
    'no answer from https://***@r:8081/a?token=***&n=1; try again'
    >>> redacted("app:secret@broker:9092 is away"), redacted("model 'credit:a@b' is not known")
    ('***@broker:9092 is away', "model 'credit:a@b' is not known")
    """
    text = _CREDENTIALS.sub(lambda found: f"{found[1] or ''}{HIDDEN}@", text)
    return _NAMED.sub(lambda found: found[1] + HIDDEN, text)

"""The error tree, and the fixed list of reasons for refusing an event.

StreamgaugeError
├── BadEvent            theirs: an event that cannot be used; it goes to dead-letters with its reason
├── ConfigurationError  ours to explain: a setting, topic or definition that is wrong, and what to do
└── StateError          ours: a snapshot that cannot be read
"""

from enum import StrEnum

from streamgauge.schemas.telling import redacted


class StreamgaugeError(Exception):
    """Root of every error that Streamgauge raises."""


class AdvisedError(StreamgaugeError):
    """Something outside does not do its part: `cause` is what came of asking it, `advice` what to do.

    >>> str(AdvisedError("does not answer", "start it", where="the registry at r:8081 "))
    'the registry at r:8081 does not answer; start it'
    """

    def __init__(self, cause: str, advice: str, *, where: str = "") -> None:
        self.cause = redacted(cause)
        self.advice = advice
        super().__init__(f"{redacted(where)}{self.cause}; {advice}")


class ConfigurationError(StreamgaugeError):
    """A setting, a topic or a definition is wrong. The message says what to do, and holds no credentials.

    >>> str(ConfigurationError("https://app:secret@r:8081 is no file"))
    'https://***@r:8081 is no file'
    """

    def __init__(self, message: str) -> None:
        super().__init__(redacted(message))


class StateError(StreamgaugeError):
    """A snapshot is damaged, or was written by a newer version."""


class Reason(StrEnum):
    """Why an event was refused. The list is fixed: dashboards and retries rely on it."""

    UNDECODABLE = "undecodable"  # not JSON, truncated Avro, unreadable framing
    UNKNOWN_SCHEMA = "unknown_schema"  # a fingerprint or schema id that nobody registered
    OVERSIZED = "oversized"  # the message, an id, a string, or a column is beyond its limit
    TOO_DEEP = "too_deep"  # JSON nested beyond the limit
    TOO_MANY_FIELDS = "too_many_fields"  # more features, groups, segments or classes than the limit
    MISSING_FIELD = "missing_field"  # a required field is absent or null
    WRONG_TYPE = "wrong_type"  # a field has a type the schema does not allow
    OUT_OF_RANGE = "out_of_range"  # a number or time outside what can be: NaN score, negative latency
    INCONSISTENT = "inconsistent"  # columns of different length, codes beyond their dictionary
    UNKNOWN_MODEL = "unknown_model"  # beyond max_models, or retired
    ORPHANED = "orphaned"  # a label whose prediction never came within its time to live
    REFUSED = "refused"  # a control event or a status that does not apply


class BadEvent(StreamgaugeError):
    """An event that cannot be used.

    >>> error = BadEvent(Reason.OUT_OF_RANGE, "latency_ms is -3.0; it must be at least 0")
    >>> error.reason.value, str(error)
    ('out_of_range', 'latency_ms is -3.0; it must be at least 0')
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail

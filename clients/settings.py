"""The prediction logger's settings: what the caller gives, else the environment, else the default."""

from collections.abc import Mapping
from dataclasses import dataclass

from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.telling import shown

_TRUE = frozenset(["1", "true", "yes", "on"])
_FALSE = frozenset(["", "0", "false", "no", "off"])


@dataclass(frozen=True, slots=True)
class LoggerSettings:
    """How a `PredictionLogger` collects and sends. Raises `ConfigurationError`.

    - `disabled`: the kill switch; nothing is kept or sent (``STREAMGAUGE_DISABLED``).
    - `sample_rate`: the share of predictions that is sent, chosen by prediction id
      (``STREAMGAUGE_SAMPLE_RATE``). Whoever logs the labels must set the same rate.
    - `batch_events`, `linger_ms`: a batch is sent when it has so many events, or its first one is so old
      (``STREAMGAUGE_BATCH_EVENTS``, ``STREAMGAUGE_LINGER_MS``).
    - `queue_events`: how many may wait; beyond it the oldest are dropped (``STREAMGAUGE_QUEUE_EVENTS``).
    - `close_timeout_s`: how long `close`, and the end of the process, wait for delivery
      (``STREAMGAUGE_CLOSE_TIMEOUT_S``).
    """

    disabled: bool = False
    sample_rate: float = 1.0
    batch_events: int = 500
    linger_ms: float = 250.0
    queue_events: int = 10_000
    close_timeout_s: float = 5.0

    def __post_init__(self) -> None:
        if not 0 < self.sample_rate <= 1:
            raise ConfigurationError(
                f"sample_rate is {self.sample_rate}; it must be above 0 and at most 1. "
                "To send nothing, set STREAMGAUGE_DISABLED=1"
            )
        if not 1 <= self.batch_events <= 10_000:
            raise ConfigurationError(f"batch_events is {self.batch_events}; it must be 1 to 10000")
        if not 1 <= self.linger_ms <= 60_000:
            raise ConfigurationError(f"linger_ms is {self.linger_ms}; it must be 1 to 60000")
        if self.queue_events < self.batch_events:
            raise ConfigurationError(
                f"queue_events is {self.queue_events}; it must hold a batch of {self.batch_events}"
            )
        if not 0 <= self.close_timeout_s <= 3_600:
            raise ConfigurationError(f"close_timeout_s is {self.close_timeout_s}; it must be 0 to 3600")

    @classmethod
    def resolve(cls, environ: Mapping[str, str], given: Mapping[str, object]) -> "LoggerSettings":
        """`given` where it is not None, else the environment, else the default.

        >>> LoggerSettings.resolve({"STREAMGAUGE_LINGER_MS": "50"}, {"batch_events": 10}).linger_ms
        50.0
        """
        values: dict[str, object] = {}
        for name, default in _DEFAULTS.items():
            variable = f"STREAMGAUGE_{name.upper()}"
            if given.get(name) is not None:
                values[name] = given[name]
            elif environ.get(variable):
                values[name] = _parse(variable, environ[variable], type(default))
        try:
            return cls(**values)  # type: ignore[arg-type]  # __post_init__ compares each with its range
        except TypeError as error:
            raise ConfigurationError(f"a logger setting has the wrong type: {error}") from error


_DEFAULTS: dict[str, object] = {
    "disabled": False,
    "sample_rate": 1.0,
    "batch_events": 500,
    "linger_ms": 250.0,
    "queue_events": 10_000,
    "close_timeout_s": 5.0,
}


def _parse(variable: str, text: str, kind: type) -> object:
    if kind is bool:
        if text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
        raise ConfigurationError(f"{variable} is {shown(text)}; write 1 or 0")
    try:
        return kind(text)
    except ValueError:  # which repeats the text
        raise ConfigurationError(f"{variable} is {shown(text)}; it must be a number") from None

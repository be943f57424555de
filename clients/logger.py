"""`PredictionLogger`: what a serving app calls for each prediction and label. Never blocks, never raises."""

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from time import time_ns
from types import TracebackType
from typing import Any, Literal, ParamSpec, Self, TypeVar

from streamgauge.clients.columns import ColumnBuilder, LoggedLabel, LoggedPrediction
from streamgauge.clients.connection import Connection
from streamgauge.clients.open_loggers import open_loggers
from streamgauge.clients.privacy import Privacy
from streamgauge.clients.rankings import Ranked, Relevance
from streamgauge.clients.sender import LoggerStats, Sender
from streamgauge.clients.settings import LoggerSettings
from streamgauge.clients.sinks import Sink
from streamgauge.clients.timing import TimedCall, watched
from streamgauge.clients.values import blamed
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.ids import uuid7

P = ParamSpec("P")
R = TypeVar("R")
Values = Mapping[str, Any]


class PredictionLogger:
    """Sends what a version of a model predicts, and what turned out to be true, to Kafka.

    Only making one can raise (`ConfigurationError`). After that nothing here raises or waits: an event
    that cannot be used, or that the bounded queue has no room for, is counted (`stats`), told once
    through `logging`, and reported to the monitoring side with the next batch. One logger serves all
    threads; forked processes get a thread, a queue and a producer of their own.

    `connection` is taken from ``STREAMGAUGE_*`` in the environment if neither it nor a `sink` is given. To
    share one producer among several models, give them the same sink. `task` says whether outcomes are
    classes or numbers; without it, floats are numbers and other predictions are classes. `redact` names
    features, groups and segments that never leave this process, `hashed` those that leave as a hash keyed
    with `hash_key`. The remaining settings: see `LoggerSettings`.

    >>> from streamgauge.clients.sinks import MemorySink
    >>> sink = MemorySink()
    >>> logger = PredictionLogger("credit", version="7", sink=sink)
    >>> id_ = logger.predict("approved", {"age": 41, "job": "clerk"}, score=0.83, latency_ms=12.5)
    >>> logger.ground_truth(id_, "rejected")
    >>> logger.flush(), sink.ground_truth[0].label.to_list()
    (True, ['rejected'])
    """

    def __init__(
        self,
        model: str,
        version: str = "",
        *,
        connection: Connection | None = None,
        sink: Sink | None = None,
        task: Literal["binary", "multiclass", "regression", "ranking"] | None = None,
        redact: Iterable[str] = (),
        hashed: Iterable[str] = (),
        hash_key: bytes | None = None,
        disabled: bool | None = None,
        sample_rate: float | None = None,
        batch_events: int | None = None,
        linger_ms: float | None = None,
        queue_events: int | None = None,
        close_timeout_s: float | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        if not (isinstance(model, str) and model and isinstance(version, str)):
            raise ConfigurationError("a logger needs the model's name, and its version as a text")
        if task not in (None, "binary", "multiclass", "regression", "ranking"):
            raise ConfigurationError(f"task {task!r} is none of binary, multiclass, regression, ranking")
        self.model = model
        self.version = version
        self.settings = LoggerSettings.resolve(
            environ,
            {
                "disabled": disabled,
                "sample_rate": sample_rate,
                "batch_events": batch_events,
                "linger_ms": linger_ms,
                "queue_events": queue_events,
                "close_timeout_s": close_timeout_s,
            },
        )
        key = hash_key if hash_key is not None else environ.get("STREAMGAUGE_HASH_KEY", "").encode()
        privacy = Privacy(redact, hashed, key)
        self._sender: Sender | None = None
        self._final_stats = LoggerStats()
        if not self.settings.disabled:
            if sink is None:
                from streamgauge.clients.kafka_sink import KafkaSink  # users' tests need no Kafka library

                sink = KafkaSink(connection or Connection.from_environment(environ))
            builder = ColumnBuilder(model, version, None if task is None else task == "regression")
            self._sender = Sender(builder, sink, privacy, self.settings)
            open_loggers.add(self)

    def predict(
        self,
        prediction: Any = None,
        features: Values | None = None,
        *,
        ranked: Iterable[Any] | None = None,
        groups: Values | None = None,
        segments: Values | None = None,
        score: float | None = None,
        scores: Values | None = None,
        latency_ms: float | None = None,
        prediction_id: Any = None,
        time: Any = None,
        error: Any = None,
    ) -> str:
        """Log one prediction; returns its id, by which `ground_truth` will name it.

        `score` is the probability of the positive class, `scores` those of all classes. `groups` are
        protected attributes, `segments` the slices to watch apart. `time` is an aware datetime, an RFC 3339
        text or integer microseconds; now if not given. With `error` (anything but None) the request failed,
        and `prediction` is not looked at. A ranker gives `ranked` in its place, the ids of its items, best
        first. What is given is copied; numpy's scalars will do.
        """
        now_us = time_ns() // 1_000
        if prediction_id is None:
            prediction_id = uuid7(now_us, os.urandom(10))
        sender = self._sender
        if sender is None:
            return prediction_id if type(prediction_id) is str else _text(prediction_id)
        try:
            sender.put(
                LoggedPrediction(
                    prediction_id,
                    now_us if time is None else time,
                    prediction if ranked is None else Ranked(ranked),
                    None if features is None else dict(features),
                    None if groups is None else dict(groups),
                    None if segments is None else dict(segments),
                    score,
                    None if scores is None else dict(scores),
                    latency_ms,
                    error is not None,
                )
            )
        except Exception as refusal:  # noqa: BLE001  monitoring must not take the serving app down
            named = {"features": features, "groups": groups, "segments": segments, "scores": scores}
            sender.refuse(blamed(refusal, **named))
        return prediction_id if type(prediction_id) is str else _text(prediction_id)

    def ground_truth(
        self,
        prediction_id: Any,
        label: Any = None,
        *,
        relevance: Mapping[Any, float] | Iterable[Any] | None = None,
        time: Any = None,
        revision: int = 0,
        retracted: bool = False,
    ) -> None:
        """Log what turned out to be true. A higher `revision` corrects an earlier label or retracts it.

        Of a ranking, `relevance` says how relevant which items were, or lists those that were (grade 1).
        """
        sender = self._sender
        if sender is None:
            return
        try:
            when = time_ns() // 1_000 if time is None else time
            truth = label if relevance is None else Relevance.of(relevance)
            sender.put(LoggedLabel(prediction_id, when, truth, revision, bool(retracted)))
        except Exception as refusal:  # noqa: BLE001  monitoring must not take the serving app down
            sender.refuse(refusal)

    def timed(
        self,
        features: Values | None = None,
        *,
        groups: Values | None = None,
        segments: Values | None = None,
        prediction_id: Any = None,
    ) -> TimedCall:
        """A context that times the call within it, and logs it with its outcome or its failure.

        >>> from streamgauge.clients.sinks import MemorySink
        >>> sink = MemorySink()
        >>> logger = PredictionLogger("price", sink=sink)
        >>> with logger.timed({"rooms": 3}) as call:
        ...     call.prediction = 410_000.0
        >>> logger.flush(), sink.predictions[0].latency_ms[0] >= 0
        (True, np.True_)
        """
        return TimedCall(self.predict, features, groups, segments, prediction_id)

    def watch(
        self,
        *,
        features: Callable[..., Values] | None = None,
        groups: Callable[..., Values] | None = None,
        segments: Callable[..., Values] | None = None,
        outcome: Callable[[Any], Mapping[str, Any]] | None = None,
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """A decorator, for functions and coroutine functions, that times and logs every call.

        `features`, `groups` and `segments` are called with the function's arguments; without `features`,
        the first argument is taken if it is a mapping. `outcome` turns the result into `predict`'s
        ``prediction`` or ``ranked``, ``score`` and ``scores``; without it the result is the prediction.

        >>> from streamgauge.clients.sinks import MemorySink
        >>> logger = PredictionLogger("credit", sink=MemorySink())
        >>> @logger.watch(outcome=lambda p: {"prediction": "yes" if p > 0.5 else "no", "score": p})
        ... def probability(features):
        ...     return 0.7
        >>> probability({"age": 41})
        0.7
        """
        return watched(self.timed, features, groups, segments, outcome)

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until what has been logged is delivered or lost; False if the time was too short."""
        return True if self._sender is None else self._sender.flush(timeout_s)

    def stats(self) -> LoggerStats:
        """What became of the events so far."""
        return self._final_stats if self._sender is None else self._sender.stats()

    def close(self) -> None:
        """Flush, within `close_timeout_s`, and stop. What is logged afterwards is ignored."""
        sender, self._sender = self._sender, None
        open_loggers.discard(self)
        if sender is not None:
            sender.close(self.settings.close_timeout_s)
            self._final_stats = sender.stats()

    def after_fork(self) -> None:
        """In a forked child: it gets a thread, a queue and a producer of its own."""
        if self._sender is not None:
            self._sender.after_fork()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _text(prediction_id: Any) -> str:
    with suppress(Exception):  # a caller's object; an id that has no text was refused already
        return str(prediction_id)
    return ""

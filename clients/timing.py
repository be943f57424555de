"""Timing a model's call for the prediction logger: a context, and a decorator (async functions too)."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from time import perf_counter_ns
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")
Values = Mapping[str, Any]
Extract = Callable[..., Any] | None


class TimedCall:
    """Times the block; on leaving logs `prediction`, `score` and `scores`, or the failure.

    An exception passes through, and is logged as a failed request if it is an `Exception`: a cancelled
    call or an interrupt says nothing about the model. `prediction_id` is known after the block.
    """

    def __init__(
        self,
        log: Callable[..., str],
        features: Values | None = None,
        groups: Values | None = None,
        segments: Values | None = None,
        prediction_id: Any = None,
    ) -> None:
        self._log = log
        self.features = features
        self.groups = groups
        self.segments = segments
        self.prediction_id = prediction_id
        self.prediction: Any = None
        self.ranked: Any = None
        self.score: Any = None
        self.scores: Values | None = None
        self._started_ns = 0

    def __enter__(self) -> Self:
        self._started_ns = perf_counter_ns()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not isinstance(error, Exception):
            return
        self.prediction_id = self._log(
            self.prediction,
            self.features,
            groups=self.groups,
            segments=self.segments,
            score=self.score,
            scores=self.scores,
            ranked=self.ranked,
            latency_ms=(perf_counter_ns() - self._started_ns) / 1e6,
            prediction_id=self.prediction_id,
            error=error,
        )


def watched(
    timed: Callable[[], TimedCall], features: Extract, groups: Extract, segments: Extract, outcome: Extract
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """The decorator of `PredictionLogger.watch`."""

    def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> TimedCall:
        call = timed()
        if features is None:
            call.features = args[0] if args and isinstance(args[0], Mapping) else None
        else:
            call.features = _extracted(features, args, kwargs)
        call.groups = None if groups is None else _extracted(groups, args, kwargs)
        call.segments = None if segments is None else _extracted(segments, args, kwargs)
        return call

    def end(call: TimedCall, result: Any) -> None:
        if outcome is None:
            call.prediction = result
            return
        values = _extracted(outcome, (result,), {})
        if isinstance(values, Mapping):
            call.prediction, call.ranked, call.score, call.scores = (
                values.get(name) for name in ("prediction", "ranked", "score", "scores")
            )
        else:
            call.prediction = values  # what cannot be used: the logger counts it

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def awaiting(*args: P.args, **kwargs: P.kwargs) -> Any:
                call = begin(args, kwargs)
                with call:
                    result = await cast(Awaitable[Any], function(*args, **kwargs))
                    end(call, result)
                return result

            return cast(Callable[P, R], awaiting)

        @wraps(function)
        def calling(*args: P.args, **kwargs: P.kwargs) -> R:
            call = begin(args, kwargs)
            with call:
                result = function(*args, **kwargs)
                end(call, result)
            return result

        return calling

    return decorate


class Unextracted:
    """Stands where a user's function failed; no column can hold it, so the event is counted and told."""


def _extracted(extract: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    try:
        return extract(*args, **kwargs)
    except Exception:  # noqa: BLE001  the user's function about an event must not fail the user's call
        return Unextracted()

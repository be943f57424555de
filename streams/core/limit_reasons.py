"""Why an error budget or a limit of the user's own does not fire."""

from typing import Literal

from streamgauge.streams.core.model import ModelState
from streamgauge.streams.core.rules import BURNS, crossed_limit
from streamgauge.streams.core.versions import Version

#: Requests that a burn rate needs: the default of `BurnRate.finding`.
_MIN_REQUESTS = 100
#: A state, and why in words.
Why = tuple[Literal["quiet", "waiting"], str]


def of_objective(monitor: str, model: ModelState, version: Version) -> Why:
    """Of an error budget: how fast it burns."""
    definition = model.definition
    objective = definition.latency if monitor == "latency" else definition.failure_rate
    if monitor == "latency" and objective.objective_ms is None:
        return "waiting", "no objective: set latency.objective_ms"
    burn = model.judge.limits.burns.get((version.name, monitor))
    if burn is None:
        return "waiting", "no window has closed"
    n, bad = (sum(counts[i] for _, counts in burn.windows) for i in (0, 1))
    if n < _MIN_REQUESTS:
        return "waiting", f"too few: {n} of {_MIN_REQUESTS} requests"
    rate = bad / n / (1.0 - objective.target)
    return "quiet", f"burns {rate:.2g} times its error budget; {BURNS[-1].factor:g} alerts"


def of_limit(monitor: str, model: ModelState, version: Version) -> Why:
    """Of a limit on a metric: its latest value, and what is allowed."""
    rule = model.definition.rule(monitor)
    values = [
        threshold.windows[-1][1]
        for (of, metric, _), threshold in model.judge.limits.thresholds.items()
        if (of, metric) == (version.name, monitor) and threshold.windows
    ]
    if not values:
        coverage = version.since(None).coverage
        least = model.definition.labels.min_coverage
        if coverage is not None and coverage < least and not monitor.startswith(("latency", "throughput")):
            return "waiting", f"no value; labels of {coverage:.0%}, and verdicts need {least:.0%}"
        return "waiting", "no value: no window has closed, or too few events"
    beyond = sum(crossed_limit(rule, value) is not None for value in values)
    limits = " to ".join(
        text
        for text, limit in ((f"at least {rule.min}", rule.min), (f"at most {rule.max}", rule.max))
        if limit is not None
    )
    said = f"{values[0].value:.4g}" if len(values) == 1 else f"{len(values)} values"
    if beyond:
        return "quiet", f"{said}, {beyond} of them beyond {limits}, but not for {rule.windows} windows"
    return "quiet", f"{said}, and {limits} is allowed"


def is_limited(model: ModelState, monitor: str) -> bool:
    """Whether the definition sets a limit on it."""
    rule = model.definition.rule(monitor)
    return rule.min is not None or rule.max is not None

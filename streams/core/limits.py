"""`Limits`: the rules with a limit of one model, and what each remembers of the last windows."""

from collections.abc import Iterable, Iterator
from typing import Any

from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.schemas.monitor_names import AGAINST_BASELINE
from streamgauge.streams.core.alerts import AlertBook
from streamgauge.streams.core.findings import Finding
from streamgauge.streams.core.reports import Measured
from streamgauge.streams.core.rules import BurnRate, Threshold
from streamgauge.streams.core.segments import Segment
from streamgauge.streams.core.windows import ALL, Window

#: Monitor, segment and what was found, or None: a verdict.
Verdict = tuple[str, Segment, Finding | None]


class Limits:
    """By version and metric the limits that a definition sets, by version and objective the error budgets."""

    def __init__(self) -> None:
        self.thresholds: dict[tuple[str, str, Segment], Threshold] = {}
        self.burns: dict[tuple[str, str], BurnRate] = {}

    def crossed(
        self,
        version: str,
        window: Window,
        measured: Iterable[Measured],
        definition: MonitorDefinition,
        book: AlertBook,
    ) -> Iterator[Verdict]:
        """The limits on metrics. Where an alert is open, the latest window alone has a say; that it was
        within its limit counts once, however often it is told again."""
        for number in measured:
            rule = definition.monitors.get(number.metric)
            if rule is None or not rule.enabled or (rule.min is None and rule.max is None):
                continue
            if number.estimate.value is None:
                continue
            about = (("feature", number.feature), ("group", number.group), ("class", number.of_class))
            segment = tuple(
                sorted([*number.segment, *((key, value) for key, value in about if value is not None)])
            )
            key = (version, number.metric, segment)
            threshold = self.thresholds.get(key)
            if threshold is None:
                threshold = self.thresholds[key] = Threshold(number.metric, number.metric, segment)
            is_new = threshold.update(window.start_us, number.estimate, rule)
            is_open = book.is_open(version, number.metric, segment)
            found = threshold.finding(rule, is_open=is_open)
            again = found is not None and window.start_us == threshold.latest_us
            if is_new or again or not is_open:
                yield number.metric, segment, found

    def burned(self, version: str, window: Window, definition: MonitorDefinition) -> Iterator[Verdict]:
        """The error budgets of failures and of slow answers."""
        bag = window.bags[ALL]
        judged = [("failure_rate", "failure_rate", definition.failure_rate.target, bag.n, bag.failed)]
        if definition.latency.objective_ms is not None:
            judged.append(
                ("latency", "latency_over_objective", definition.latency.target, bag.latency.n, bag.slow)
            )
        for monitor, metric, target, n, bad in judged:
            rule = definition.rule(monitor)
            if not rule.enabled or rule.min is not None or rule.max is not None:
                continue
            burn = self.burns.get((version, monitor))
            if burn is None:
                burn = self.burns[version, monitor] = BurnRate(monitor, metric, definition.window)
            burn.update(window.start_us, n, bad)
            yield monitor, ALL, burn.finding(target)

    def restart(self, *monitors: str) -> None:
        """What is known of former windows is of no use: for `monitors`, or for all."""
        if not monitors:
            self.thresholds = {}
        self.burns = {key: b for key, b in self.burns.items() if monitors and key[1] not in monitors}

    def rebased(self, version: str) -> None:
        """A version has another baseline: windows against the old one count towards no limit any more."""
        for key in [k for k in self.thresholds if k[0] == version and k[1] in AGAINST_BASELINE]:
            del self.thresholds[key]

    def forget(self, version: str) -> None:
        """Nothing will be judged of this version."""
        self.thresholds = {key: rule for key, rule in self.thresholds.items() if key[0] != version}
        self.burns = {key: burn for key, burn in self.burns.items() if key[0] != version}

    def to_state(self) -> dict[str, Any]:
        """Plain structures, for the snapshot."""
        return {
            "thresholds": [
                [version, metric, [list(pair) for pair in segment], threshold.to_state()]
                for (version, metric, segment), threshold in self.thresholds.items()
            ],
            "burns": [
                [version, monitor, burn.metric, burn.window_us, burn.to_state()]
                for (version, monitor), burn in self.burns.items()
            ],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Back to what `to_state` was called on."""
        for version, metric, pairs, kept in state["thresholds"]:
            segment = tuple((key, value) for key, value in pairs)
            self.thresholds[version, metric, segment] = Threshold.from_state(metric, metric, segment, kept)
        for version, monitor, metric, window_us, burn in state["burns"]:
            self.burns[version, monitor] = BurnRate.from_state(monitor, metric, window_us, ALL, burn)

"""`Lull`: how long a monitor has found nothing, by its windows and by the events that it judges."""

from dataclasses import astuple, dataclass, replace
from typing import Any

from streamgauge.schemas.monitor_names import EVIDENCE
from streamgauge.streams.core.alert_context import AlertContext
from streamgauge.streams.core.findings import Finding

#: Evidence starts over after an alarm. While a change stays, it is found again after at most so many times
#: what it took before (docs/adr/0031): only then is it over.
NOTICED_AGAIN = 5
#: Traffic is judged by time, and yesterday's hour is as good as one of last week.
_BY_TIME, _LONGEST_US = "traffic", 86_400_000_000


@dataclass(frozen=True, slots=True)
class Lull:
    """`windows` without a finding in a row, the last verdict at `seen_us`. The latest finding came at
    `fired_us`, when the monitor had judged `fired_at` events; to be found took at most `took` events, or
    `took_us`. `over`: that was long enough, and nothing has been found since.

    >>> context, drift = AlertContext(resolve_after=1), Finding("drift", "psi", "warning", n=100, onset_us=0)
    >>> lull = Lull.after(drift, 10, replace(context, judged=1_000))
    >>> [lull.quiet(20, replace(context, judged=judged)).over for judged in (1_499, 1_500)]
    [False, True]
    """

    windows: int
    seen_us: int
    fired_us: int
    fired_at: int = 0
    took: int = 0
    took_us: int = 0
    over: bool = False

    @classmethod
    def after(cls, finding: Finding, now_us: int, context: AlertContext) -> "Lull":
        """It begins with a finding. Other monitors than those of evidence find again at once what stays."""
        if finding.monitor not in EVIDENCE or finding.onset_us is None:
            return cls(0, now_us, now_us)
        if finding.monitor == _BY_TIME:
            return cls(0, now_us, now_us, took_us=max(now_us - finding.onset_us, 1))
        return cls(0, now_us, now_us, context.judged, max(finding.n, context.since_onset))

    def found(self, now_us: int, context: AlertContext) -> "Lull":
        """The same was found once more: since the last time, which may be long after it was mended."""
        seen_us, fired_us = max(self.seen_us, now_us), max(self.fired_us, now_us)
        took = max(self.took, context.judged - self.fired_at) if self.took else 0
        took_us = max(self.took_us, fired_us - self.fired_us) if self.took_us else 0
        return Lull(0, seen_us, fired_us, context.judged, took, took_us)

    def quiet(self, now_us: int, context: AlertContext) -> "Lull":
        """A window without a finding, which counts if it is later than the last one judged."""
        windows = self.windows + (now_us // context.window_us > self.seen_us // context.window_us)
        over = (
            windows >= context.resolve_after
            and context.judged - self.fired_at >= NOTICED_AGAIN * self.took
            and now_us - self.fired_us >= min(NOTICED_AGAIN * self.took_us, _LONGEST_US)
        )
        return replace(self, windows=windows, seen_us=max(self.seen_us, now_us), over=self.over or over)

    def to_state(self) -> list[Any]:
        """Plain structures, for the snapshot."""
        return list(astuple(self))

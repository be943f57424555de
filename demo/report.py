"""The verdict in words."""

from collections.abc import Mapping
from typing import Any

from streamgauge.demo.board import Line, clock
from streamgauge.demo.faults import MINUTE_US
from streamgauge.demo.verdict import Caught, Verdict
from streamgauge.schemas.times import parse_time


def report(verdict: Verdict, requests: int) -> list[Line]:
    """What to print at the end: each fault, each alert without a cause, the sums.

    >>> from streamgauge.demo.verdict import judge
    >>> [line.text for line in report(judge((), []), requests=0)]
    ['no faults, and no alerts: 0 false alarms']
    """
    lines = []
    for caught in verdict.faults:
        lines += _fault_lines(caught)
    lines += [
        Line(
            parse_time(alert["opened_at"]),
            "?",
            f"without a cause: {_named(alert)}: {alert['summary']}",
            "alert",
        )
        for alert in verdict.causeless
    ]
    return [*lines, Line(0, " ", _sums(verdict, requests), "ended" if verdict.passed() else "alert")]


def _fault_lines(caught: Caught) -> list[Line]:
    fault, alert = caught.fault, caught.alert
    told = f"{fault.model}: {fault.story}"
    if alert is None or caught.delay_us is None:
        lines = [Line(fault.start_us, "✗", f"{told} → missed: no {fault.monitor} alert", "alert")]
    else:
        minutes = f"{caught.delay_us / MINUTE_US:.0f} min"
        with_it = f", which tells of {', '.join(caught.told)} too" if caught.told else ""
        caught_by = f"{alert['monitor']} alert after {minutes}{with_it}"
        lines = [Line(fault.start_us, "✓", f"{told} → {caught_by}", "ended")]
    if caught.consequences:
        also = ", ".join(sorted({other["monitor"] for other in caught.consequences}))
        lines.append(Line(fault.start_us, " ", f"  and in consequence: {also}", "quiet"))
    return lines


def _sums(verdict: Verdict, requests: int) -> str:
    if not verdict.faults:
        alarms = f"{verdict.opened} false alarms"
        return f"no faults, and {'no alerts: ' if not verdict.opened else ''}{alarms}"
    caught = len(verdict.faults) - len(verdict.missed)
    return (
        f"{caught} of {len(verdict.faults)} faults caught, {len(verdict.causeless)} alerts without a cause; "
        f"{verdict.opened} alerts opened, {verdict.ended} ended, {requests} retrain requests"
    )


def _named(alert: Mapping[str, Any]) -> str:
    return f"{alert['model']} {alert['monitor']}"


def plain(line: Line) -> str:
    """A line as a file or a pipe takes it.

    >>> plain(Line(1_800_000_000_000_000, "●", "credit: slow", "alert"))
    '08:00 ● credit: slow'
    """
    return f"{clock(line.time_us) if line.time_us else '     '} {line.mark} {line.text}"

"""The verdict in words: what caught each fault, and what became of the new versions."""

from collections.abc import Mapping
from typing import Any

from streamgauge.demo.board import Board, quality
from streamgauge.demo.faults import MINUTE_US, Fault
from streamgauge.demo.news import Line
from streamgauge.demo.successors import Successor, in_words
from streamgauge.demo.verdict import Caught, Verdict
from streamgauge.schemas.durations import SECOND_US
from streamgauge.schemas.times import parse_time


def report(verdict: Verdict, board: Board, pace: float) -> list[Line]:
    """What to print at the end: each fault, each alert without a cause, each new version, the sums.

    `pace` is the seconds of event time that pass in one of the clock.

    >>> from streamgauge.demo.verdict import judge
    >>> [line.text for line in report(judge((), []), Board((), ()), 160.0)]
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
    lines += [_successor_line(told, pace) for told in successors(verdict, board)]
    return [*lines, Line(0, " ", _sums(verdict, board.requests), "ended" if verdict.passed() else "alert")]


def successors(verdict: Verdict, board: Board) -> list[dict[str, Any]]:
    """For programs: each new version, how it did, and how long after the fault it answered.

    `before` is of the old version's last window, when both were served and the change was there; `after` is
    of the new one's last.
    """
    faults = [caught.fault for caught in verdict.faults]
    return [_successor(each, board, faults) for each in board.successors.by_model.values()]


def _successor(each: Successor, board: Board, faults: list[Fault]) -> dict[str, Any]:
    before, after = (board.rows.get((each.model, version)) for version in (each.old, each.new))
    since_us = each.since_us
    began_us = [
        fault.start_us
        for fault in faults
        if fault.model == each.model and fault.reaches("concept_drift") and fault.start_us <= (since_us or 0)
    ]
    record = each.verdict
    delay_us = since_us - max(began_us) if since_us is not None and began_us else None
    return {
        "model": each.model,
        "old_version": each.old,
        "new_version": each.new,
        "request_id": each.request_id,
        "delay_s": None if delay_us is None else delay_us / SECOND_US,
        "before": None if before is None else _interval(before.measured),
        "after": None if after is None else _interval(after.measured),
        "difference": None if record is None else _interval(record),
        "verdict": "undecided" if record is None else record["verdict"],
        "told": "no traffic yet" if record is None else in_words(record),
    }


def _interval(record: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return (
        None if record is None else {name: record[name] for name in ("metric", "value", "low", "high", "n")}
    )


def _successor_line(told: Mapping[str, Any], pace: float) -> Line:
    before, after = (quality(told[which]) or "unknown" for which in ("before", "after"))
    text = f"{told['model']}: {told['new_version']} is {told['told']}"
    if told["delay_s"] is not None:
        text += (
            f"; it came {told['delay_s'] / 60:.0f} min after the change ({told['delay_s'] / pace:.1f} s here)"
        )
    text += f"; before {before}, now {after}"
    return Line(0, "⇄", text, "ended" if told["verdict"] == "better" else "quiet")


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

"""What the demo shows: rows from metrics, news from alerts, and the same news on a screen and in a pipe."""

import io
from typing import Any

import pytest
from rich.console import Console

from streamgauge.demo.board import Board
from streamgauge.demo.faults import MINUTE_US, Fault
from streamgauge.demo.news import plain
from streamgauge.demo.report import report, successors
from streamgauge.demo.services import Service, train_services
from streamgauge.demo.successors import Order
from streamgauge.demo.verdict import judge
from streamgauge.demo.view import PlainView, Progress, ScreenView
from streamgauge.schemas.times import format_time

PACE = 160.0
T0 = 1_763_712_000_000_000


@pytest.fixture(scope="module")
def services() -> tuple[Service, ...]:
    return train_services(3)


def _metric(metric: str, value: float, window: int, **fields: Any) -> dict[str, Any]:
    start_us = T0 + window * 5 * MINUTE_US
    return {
        "model": "credit",
        "version": "7",
        "segment": {},
        "window": {"start": format_time(start_us), "end": format_time(start_us + 5 * MINUTE_US)},
        "metric": metric,
        "feature": None,
        "group": None,
        "value": value,
        "low": None,
        "high": None,
        "n": 100,
        "coverage": None,
        "status": "final",
        "revision": 0,
        "compared_with": None,
        "verdict": None,
    } | fields


def _alert(state: str, minute: int) -> dict[str, Any]:
    return {
        "alert_id": "9f-1",
        "state": state,
        "severity": "critical",
        "model": "credit",
        "version": "7",
        "monitor": "fairness",
        "opened_at": format_time(T0 + 70 * MINUTE_US),
        "time": format_time(T0 + minute * MINUTE_US),
        "summary": "credit 7: demographic parity difference 0.35",
        "because": None,
        "related": [],
    }


FAULT = Fault(
    "group", "credit", T0 + 60 * MINUTE_US, T0 + 90 * MINUTE_US, "65 and over", 0.6, "rejections rise"
)


@pytest.mark.slow
def test_a_row_shows_the_newest_window_and_a_restated_one_counts_once(services: tuple[Service, ...]) -> None:
    board = Board(services, [])
    board.fold("metrics", _metric("throughput_per_s", 7.0, window=0))
    board.fold("metrics", _metric("throughput_per_s", 7.0, window=1, n=120))
    board.fold("metrics", _metric("throughput_per_s", 7.1, window=0, n=101, revision=1))
    board.fold("metrics", _metric("accuracy", 0.912, window=1, low=0.9, high=0.93))
    board.fold("metrics", _metric("accuracy", 0.5, window=0, revision=3))
    board.fold("metrics", _metric("accuracy", 0.1, window=2, segment={"country": "NO"}))
    row = board.rows["credit", "7"]
    assert row.judged == 221
    assert row.window_end_us == T0 + 10 * MINUTE_US
    assert row.quality == "accuracy 91.2% (90.0%–93.0%)"


def test_an_alert_is_news_when_it_opens_and_when_it_ends(services: tuple[Service, ...]) -> None:
    board = Board(services, [])
    news = [
        board.fold("alerts", _alert(s, m)) for s, m in (("opened", 70), ("updated", 75), ("resolved", 99))
    ]
    assert [len(lines) for lines in news] == [1, 0, 1]
    assert plain(news[0][0]) == "09:10 ● fairness: credit 7: demographic parity difference 0.35"
    assert plain(news[2][0]) == "09:39 ✓ credit fairness: resolved after 29 min"
    assert board.rows["credit", "7"].open == {}


def test_what_an_alert_comes_to_tell_of_other_monitors_is_news(services: tuple[Service, ...]) -> None:
    board = Board(services, [])
    board.fold("alerts", _alert("opened", 70))
    summary = "credit 7: demographic parity difference 0.35; with it zero-one loss 0.21, was 0.10"
    brought = _alert("updated", 75) | {"related": [{"monitor": "concept_drift"}], "summary": summary}
    [line] = board.fold("alerts", brought)
    assert plain(line) == "09:15 ○ credit fairness: with it zero-one loss 0.21, was 0.10"
    assert board.fold("alerts", brought) == []


def test_faults_begin_and_end_with_event_time(services: tuple[Service, ...]) -> None:
    board = Board(services, [FAULT])
    assert board.advance(FAULT.start_us - 1) == []
    assert [line.text for line in board.advance(FAULT.start_us)] == ["credit: rejections rise"]
    assert [line.text for line in board.advance(FAULT.end_us)] == ["credit: rejections rise: over"]
    assert board.advance(FAULT.end_us) == []


def test_judging_has_come_as_far_as_the_slowest_model(services: tuple[Service, ...]) -> None:
    board = Board(services, [])
    for name, window in (("phishing", 4), ("credit", 2)):
        board.fold("metrics", _metric("throughput_per_s", 7.0, window=window, model=name))
    assert board.windows_end_us() == 0
    board.fold("metrics", _metric("throughput_per_s", 7.0, window=3, model="approval"))
    assert board.windows_end_us() == T0 + 15 * MINUTE_US


def test_the_report_names_what_caught_each_fault_and_what_did_not() -> None:
    caught = judge([FAULT], [_alert("opened", 70), _alert("resolved", 99)])
    assert [line.text for line in report(caught, Board((), ()), PACE)] == [
        "credit: rejections rise → fairness alert after 10 min",
        "1 of 1 faults caught, 0 alerts without a cause; 1 alerts opened, 1 ended, 0 retrain requests",
    ]
    missed = judge([FAULT], [])
    assert (
        report(missed, Board((), ()), PACE)[0].text == "credit: rejections rise → missed: no fairness alert"
    )


def _compared(window: int, verdict: str, **fields: Any) -> dict[str, Any]:
    return (
        _metric("accuracy_difference", 0.06, window, version="8", compared_with="7", verdict=verdict) | fields
    )


def _asked_and_answered(board: Board) -> list[str]:
    board.advance(T0 + 75 * MINUTE_US)
    request = {
        "request_id": "credit:7:1",
        "model": "credit",
        "version": "7",
        "reasons": [{"monitor": "concept_drift"}],
        "labels": 2_000,
        "time": format_time(T0 + 72 * MINUTE_US),
    }
    lines = board.fold("retrain-requests", request)
    status = {"request_id": "credit:7:1", "model": "credit", "state": "accepted"}
    lines += board.fold("retrain-status", status)
    done = status | {"state": "succeeded", "new_version": "8", "message": "fine"}
    return [plain(line) for line in lines + board.fold("retrain-status", done)]


def test_a_new_version_is_deployed_compared_and_takes_over(services: tuple[Service, ...]) -> None:
    board = Board(services, [FAULT])
    board.fold("metrics", _metric("accuracy", 0.87, window=13, low=0.85, high=0.89))
    assert _asked_and_answered(board) == [
        "09:12 ↻ credit:7:1: please retrain, 2,000 labels, because of concept_drift",
        "09:15 ↻ credit:7:1: accepted",
        "09:15 ↻ credit:7:1: credit 8 is trained, and gets half of the requests: fine",
    ]
    assert board.successors.orders() == [Order("deploy", "credit", "8")]
    assert board.fold("metrics", _compared(16, "undecided")) == []
    [line] = board.fold("metrics", _compared(16, "better", low=0.01, high=0.11))
    assert plain(line).endswith(
        "⇄ credit: 8 is better than 7: accuracy +0.060 (+0.010 to +0.110); 8 gets all requests from now on"
    )
    assert board.successors.orders() == [Order("settle", "credit", "8")]
    assert board.fold("metrics", _compared(17, "worse", low=-0.2, high=-0.1)) == []  # it is decided
    board.fold("metrics", _metric("accuracy", 0.95, window=18, low=0.94, high=0.96, version="8"))
    verdict = judge([FAULT], [_alert("opened", 70)])
    [told] = successors(verdict, board)
    assert (told["verdict"], told["delay_s"]) == ("better", 20 * 60)
    assert (told["before"]["value"], told["after"]["value"], told["difference"]["high"]) == (0.87, 0.95, 0.11)
    assert report(verdict, board, PACE)[1].text == (
        "credit: 8 is better than 7: accuracy +0.060 (+0.010 to +0.110); it came 20 min after the change "
        "(7.5 s here); before accuracy 87.0% (85.0%–89.0%), now accuracy 95.0% (94.0%–96.0%)"
    )


def test_a_new_version_that_is_worse_leaves(services: tuple[Service, ...]) -> None:
    board = Board(services, [FAULT])
    _asked_and_answered(board)
    board.successors.orders()
    [line] = board.fold("metrics", _compared(16, "worse", value=-0.2, low=-0.3, high=-0.1))
    assert "8 is worse than 7" in line.text
    assert board.successors.orders() == [Order("settle", "credit", "7")]


def test_the_same_news_on_a_screen_and_in_a_pipe(services: tuple[Service, ...]) -> None:
    board = Board(services, [FAULT])
    news = board.advance(FAULT.start_us) + board.fold("alerts", _alert("opened", 70))
    console = Console(file=io.StringIO(), width=100, height=30, force_terminal=True, legacy_windows=False)
    pipe = io.StringIO()
    screen = ScreenView("demo, seed 3", 90.0, board, console)
    lines = PlainView("demo, seed 3", 90.0, board, pipe)
    for view in (screen, lines):
        with view:
            view.show(news)
            view.refresh(Progress("traffic", T0 + 80 * MINUTE_US, 30.0, 105_000))
    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    for shown in (drawn, pipe.getvalue()):
        assert "embedded broker: not durable" in shown
        assert "rejections rise" in shown
        assert "demographic parity difference 0.35" in shown
        assert "105,000 predictions" in shown
        assert "fairness" in shown

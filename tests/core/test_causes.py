"""One cause is one alert: which monitor tells of which, and what becomes of those that it tells of."""

import json
from itertools import product

import pytest

from streamgauge.schemas.control import Acknowledge, Silence
from streamgauge.schemas.monitor_names import EVIDENCE
from streamgauge.streams.core.alert_context import AlertContext
from streamgauge.streams.core.alerts import AlertBook
from streamgauge.streams.core.causes import CAUSES, explains, in_order
from streamgauge.streams.core.findings import Finding, Segment

MINUTE = 60_000_000
NOW = 1_795_255_200_000_000
CONTEXT = AlertContext(resolve_after=2, cooldown_us=10 * MINUTE)


def found(monitor: str, low: int = -10, high: int = -5, segment: Segment = (), **more) -> Finding:
    """A finding whose change began so many minutes after now."""
    severity = more.pop("severity", "warning")
    onset = {"onset_low_us": NOW + low * MINUTE, "onset_high_us": NOW + high * MINUTE}
    return Finding(
        monitor, f"of {monitor}", severity, 0.2, baseline=0.1, n=500, segment=segment, **onset, **more
    )


class Book:
    """An alert book of one version, told minute by minute."""

    def __init__(self) -> None:
        self.book = AlertBook("credit")
        self.now_us = NOW

    def see(self, monitor: str, finding: Finding | None = None, minutes: int = 1) -> list[dict]:
        self.now_us += minutes * MINUTE
        self.book = AlertBook.from_state("credit", json.loads(json.dumps(self.book.to_state())))
        segment = () if finding is None else finding.segment
        outputs = self.book.observe("7", monitor, segment, finding, self.now_us, None, CONTEXT)
        return [output.record for output in outputs]

    def find(self, monitor: str, **more) -> list[dict]:
        return self.see(monitor, found(monitor, **more))


def told(records: list[dict]) -> list[tuple]:
    return [(r["monitor"], r["state"], [each["monitor"] for each in r["related"]]) for r in records]


#: Rows may be the cause of columns: data_quality, drift, multivariate_drift, prediction_drift, fairness,
#: concept_drift, label_drift, estimate_gap, traffic.
TABLE = {
    "data_quality":       ". x x x x x x x .",
    "drift":              ". . x x x x x x .",
    "multivariate_drift": ". . . x x x x x .",
    "prediction_drift":   ". . . . x x . x .",
    "fairness":           ". . . . . x . x .",
    "concept_drift":      ". . . . . . x x .",
    "label_drift":        ". . . . . . . x .",
    "estimate_gap":       ". . . . . . . . .",
    "traffic":            ". . . . . . . . .",
}  # fmt: skip


def is_cause(cause: str, effect: str) -> bool:
    return TABLE[cause].split()[list(TABLE).index(effect)] == "x"


@pytest.mark.parametrize(("first", "second"), [pair for pair in product(TABLE, TABLE) if pair[0] != pair[1]])
def test_the_table_says_which_of_two_alerts_tells_of_the_other(first, second):
    assert set(TABLE) == set(EVIDENCE)
    assert explains(found(first), found(second)) is is_cause(first, second)
    assert not explains(found(first), found(second, low=-4, high=-1)), "they began at other times"
    assert not explains(found(first), found(second, segment=(("country", "NO"),)))
    book = Book()
    book.find(first)
    if is_cause(first, second):
        expected = [(first, "updated", [second])]
    elif is_cause(second, first):
        expected = [(second, "opened", [first]), (first, "superseded", [])]
    else:
        expected = [(second, "opened", [])]
    assert told(book.find(second)) == expected


def test_no_monitor_is_the_cause_of_its_own_cause():
    for effect, causes in CAUSES.items():
        assert all(in_order(cause) < in_order(effect) for cause in causes)
        assert list(causes) == sorted(causes, key=in_order)


def test_an_alert_that_opened_too_soon_gives_way_to_the_one_that_explains_it():
    book = Book()
    [gap] = book.find("estimate_gap")
    assert told(book.find("concept_drift")) == [
        ("concept_drift", "opened", ["estimate_gap"]),
        ("estimate_gap", "superseded", []),
    ]
    records = book.find("drift")
    assert told(records) == [
        ("drift", "opened", ["estimate_gap", "concept_drift"]),
        ("concept_drift", "superseded", ["estimate_gap"]),
    ]
    assert records[1]["because"] == records[0]["alert_id"] != gap["alert_id"]
    assert records[1]["summary"].endswith("drift tells of it from now on")
    assert (
        "with it of estimate gap 0.20, estimated 0.10, and of concept drift 0.20, was 0.10"
        in records[0]["summary"]
    )


def test_consequences_are_told_when_they_join_or_move_and_else_held():
    book = Book()
    book.find("drift")
    assert told(book.find("concept_drift")) == [("drift", "updated", ["concept_drift"])]
    assert book.find("concept_drift") == []
    [moved] = book.see(
        "concept_drift", Finding("concept_drift", "of concept_drift", "warning", 0.4, baseline=0.1)
    )
    assert [each["value"] for each in moved["related"]] == [0.4]
    [worse] = book.find("concept_drift", severity="critical")
    assert (worse["monitor"], worse["severity"], worse["state"]) == ("drift", "critical", "updated")


def test_an_alert_lasts_as_long_as_its_consequences_and_says_them_to_the_end():
    book = Book()
    book.find("drift")
    book.find("concept_drift")
    for _ in range(3):
        assert book.see("drift") == []
    book.see("concept_drift")
    book.see("concept_drift")
    assert told(book.see("drift")) == [("drift", "resolved", ["concept_drift"])]
    assert told(book.find("concept_drift")) == [("concept_drift", "opened", [])]


def test_consequences_of_an_alert_that_somebody_ended_cool_down_with_it():
    book = Book()
    book.find("drift")
    book.find("concept_drift")
    book.book.rebased("7", ("drift",), book.now_us, "kari")
    assert book.find("concept_drift") == []
    book.now_us += CONTEXT.cooldown_us
    [opened] = book.find("concept_drift")
    assert (opened["state"], opened["episode"]) == ("opened", 1)


def test_what_joins_an_acknowledged_alert_is_told_and_leaves_it_acknowledged():
    book = Book()
    [opened] = book.find("drift")
    word = Acknowledge(actor="kari", time_us=NOW, model="credit", fingerprint=opened["fingerprint"])
    book.book.control(word, book.now_us)
    assert told(book.find("concept_drift")) == [("drift", "acknowledged", ["concept_drift"])]


def test_a_silenced_cause_hides_no_consequence_and_a_silenced_consequence_does_not_join():
    for silenced, other in (("drift", "concept_drift"), ("concept_drift", "drift")):
        book = Book()
        word = Silence(actor="kari", time_us=NOW, until_us=NOW + 60 * MINUTE, matcher={"monitor": silenced})
        book.book.control(word, book.now_us)
        records = book.find("drift") + book.find("concept_drift")
        assert told(records) == [(other, "opened", [])]

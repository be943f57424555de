"""The life of an alert, case by case; the table itself is tested as a table."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.schemas.alert_ids import fingerprint
from streamgauge.schemas.control import Acknowledge, Resolve, Silence
from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.monitor import MonitorDefinition, Rule
from streamgauge.streams.core.alert_context import AlertContext
from streamgauge.streams.core.alert_states import ENDED, ENDINGS, TRANSITIONS, Event, State
from streamgauge.streams.core.alerts import AlertBook
from streamgauge.streams.core.closed import MAX_CLOSED
from streamgauge.streams.core.findings import Contributor, Finding, OffsetRange

MINUTE = 60_000_000
NOW = 1_795_255_200_000_000  # 2026-11-21T10:00Z
CONTEXT = AlertContext(
    resolve_after=3, cooldown_us=10 * MINUTE, definition_id="sha256:d", baseline_id="sha256:b"
)
DRIFT = Finding(
    "concept_drift",
    "zero_one_loss",
    "warning",
    value=0.21,
    low=0.18,
    high=0.24,
    baseline=0.1,
    evidence=1.6,
    evidence_threshold=1.0,
    n=0,  # so that the number of quiet windows alone counts
    onset_us=NOW - 5 * MINUTE,
    onset_low_us=NOW - 7 * MINUTE,
    onset_high_us=NOW - 3 * MINUTE,
    contributors=(Contributor("age", 0.7, "up", 0.4),),
    offsets=(OffsetRange("streamgauge.predictions", 5, 1200, 4400),),
)


class Windows:
    """A book that is given one window after another, five minutes apart; findings began as long before."""

    def __init__(self, book: AlertBook | None = None, context: AlertContext = CONTEXT) -> None:
        self.book = book or AlertBook("credit")
        self.context = context
        self.now_us = NOW

    def see(self, finding: Finding | None, minutes: int = 5, rule: Rule | None = None) -> list[str]:
        if finding is not None:
            finding = dataclasses.replace(finding, onset_us=self.now_us - 5 * MINUTE)
        outputs = self.book.observe("7", "concept_drift", (), finding, self.now_us, rule, self.context)
        self.now_us += minutes * MINUTE
        self.records = [output.record for output in outputs]
        return [record["state"] for record in self.records]


def test_the_table_gives_every_event_in_every_open_state_a_next_state():
    for event in Event:
        for state in (State.OPENED, State.UPDATED, State.ACKNOWLEDGED):
            following, told = TRANSITIONS[event][state]
            assert told or following is state, "a change that nobody is told of"


def test_every_open_state_can_end():
    for state in (State.OPENED, State.UPDATED, State.ACKNOWLEDGED):
        assert {TRANSITIONS[event][state][0] for event in Event} >= set(ENDED)


@pytest.mark.parametrize(
    ("event", "state", "following", "told"),
    [
        (Event.FIRES, State.NONE, State.OPENED, True),
        (Event.FIRES, State.OPENED, State.UPDATED, True),
        (Event.FIRES, State.UPDATED, State.UPDATED, True),
        (Event.FIRES, State.ACKNOWLEDGED, State.ACKNOWLEDGED, False),
        (Event.WORSENS, State.ACKNOWLEDGED, State.UPDATED, True),
        (Event.HELD, State.NONE, State.NONE, False),
        (Event.QUIET, State.NONE, State.NONE, False),
        (Event.ACKNOWLEDGE, State.UPDATED, State.ACKNOWLEDGED, True),
        (Event.ACKNOWLEDGE, State.ACKNOWLEDGED, State.ACKNOWLEDGED, False),
        (Event.CALM, State.ACKNOWLEDGED, State.RESOLVED, True),
        (Event.SUPERSEDE, State.OPENED, State.SUPERSEDED, True),
        (Event.EXPIRE, State.OPENED, State.EXPIRED, True),
        (Event.FLAPS, State.NONE, State.OPENED, True),
        (Event.FLAPS, State.UPDATED, State.UPDATED, False),
        (Event.ESCALATES, State.OPENED, State.UPDATED, True),
        (Event.ESCALATES, State.ACKNOWLEDGED, State.ACKNOWLEDGED, False),
    ],
)
def test_the_table_says(event, state, following, told):
    assert TRANSITIONS[event][state] == (following, told)


def test_every_ending_that_is_told_has_words():
    assert {e for e, row in TRANSITIONS.items() if any(s in ENDED for s, _ in row.values())} <= set(ENDINGS)


def test_an_opened_alert_says_everything_the_contract_asks_for():
    windows = Windows()
    windows.see(dataclasses.replace(DRIFT, n=3_200), rule=Rule(runbook_url="https://runbooks.example/drift"))
    known = fingerprint("credit", "7", "concept_drift", ())
    assert windows.records == [
        {
            "alert_id": f"{known}-1",
            "fingerprint": known,
            "episode": 1,
            "sequence": 1,
            "state": "opened",
            "severity": "warning",
            "model": "credit",
            "version": "7",
            "monitor": "concept_drift",
            "metric": "zero_one_loss",
            "segment": {},
            "value": 0.21,
            "low": 0.18,
            "high": 0.24,
            "baseline": 0.1,
            "compared_with": None,
            "limit": None,
            "evidence": 1.6,
            "evidence_threshold": 1.0,
            "budgeted": True,
            "n": 3200,
            "onset": "2026-11-21T09:55:00.000000Z",
            "onset_low": "2026-11-21T09:53:00.000000Z",
            "onset_high": "2026-11-21T09:57:00.000000Z",
            "opened_at": "2026-11-21T10:00:00.000000Z",
            "time": "2026-11-21T10:00:00.000000Z",
            "contributors": [
                {"feature": "age", "group": None, "share": 0.7, "direction": "up", "size": 0.4, "bins": []}
            ],
            "carried_by": None,
            "prediction_shift": None,
            "coincidences": [],
            "related": [],
            "because": None,
            "offsets": [{"topic": "streamgauge.predictions", "partition": 5, "start": 1200, "end": 4400}],
            "definition_id": "sha256:d",
            "baseline_id": "sha256:b",
            "software": None,
            "actor": None,
            "note": None,
            "summary": "credit 7: zero-one loss 0.21, was 0.10 (since 09:55, 09:53–09:57); mostly age up",
            "runbook_url": "https://runbooks.example/drift",
            "reason": "fires",
            "route": None,
            "flapping": False,
            "holds_back": [],
        }
    ]


def test_a_number_that_is_not_finite_is_told_as_unknown():
    windows = Windows()
    windows.see(dataclasses.replace(DRIFT, evidence=float("inf"), low=float("nan")))
    assert windows.records[0]["evidence"] is None
    assert windows.records[0]["low"] is None


def test_the_same_trouble_is_told_once():
    windows = Windows()
    assert [windows.see(DRIFT) for _ in range(5)] == [["opened"], [], [], [], []]


def test_a_value_that_moved_by_more_than_chance_and_a_quarter_of_its_distance_from_normal_is_an_update():
    windows = Windows()
    windows.see(DRIFT)
    alike = dataclasses.replace(DRIFT, value=0.31, low=0.28, high=0.34)
    assert windows.see(alike) == [], "intervals twice as wide overlap"
    assert windows.see(dataclasses.replace(DRIFT, value=0.235, low=0.2349, high=0.2351)) == [], (
        "by too little"
    )
    assert windows.see(dataclasses.replace(DRIFT, value=0.35, low=0.32, high=0.38)) == ["updated"]
    assert windows.see(dataclasses.replace(DRIFT, value=0.37, low=0.34, high=0.40)) == []
    assert windows.see(dataclasses.replace(DRIFT, value=0.15, low=0.12, high=0.18)) == ["updated"]


def test_other_categories_of_the_same_change_are_no_news():
    windows = Windows()
    fewer, more = (
        dataclasses.replace(
            DRIFT, metric="category_rate", value=value, low=value - 0.03, high=value + 0.03, baseline=0.5,
            contributors=(Contributor("job", 1.0, direction, abs(value - 0.5)),),
        )
        for value, direction in ((0.2, "clerk down"), (0.8, "cook up"))
    )  # fmt: skip
    assert [windows.see(finding) for finding in (fewer, more, fewer)] == [["opened"], [], []]
    assert windows.see(dataclasses.replace(fewer, value=0.05, low=0.04, high=0.06)) == ["updated"]


def test_what_took_many_events_to_be_noticed_must_be_quiet_for_five_times_as_many():
    """Evidence starts over after an alarm: until it could have found the same again, quiet says nothing."""
    book = AlertBook("credit")
    judged = iter(range(1_000, 10**6, 100))

    def see(finding: Finding | None) -> list[str]:
        count = next(judged)
        context = dataclasses.replace(CONTEXT, judged=count)
        outputs = book.observe("7", "concept_drift", (), finding, NOW + count * MINUTE, None, context)
        return [output.record["state"] for output in outputs]

    found = dataclasses.replace(DRIFT, n=100)
    assert [see(found), *(see(None) for _ in range(3))] == [["opened"], [], [], []]
    assert book.open_episodes()[0].firing() == {"concept_drift"}
    assert [see(found), *(see(None) for _ in range(20))] == [*[[]] * 20, ["resolved"]], "400 came in between"


def test_of_traffic_it_is_the_time_that_counts_and_a_day_is_enough():
    for minutes, patience in ((20, 100), (10_000, 1_440)):
        book, finding = AlertBook("credit"), dataclasses.replace(DRIFT, monitor="traffic", n=10**9)
        finding = dataclasses.replace(finding, onset_us=NOW - minutes * MINUTE)
        book.observe("7", "traffic", (), finding, NOW, None, CONTEXT)
        windows = range(5, patience + 5, 5)
        told = [book.observe("7", "traffic", (), None, NOW + m * MINUTE, None, CONTEXT) for m in windows]
        assert [bool(outputs) for outputs in told] == [*[False] * (len(windows) - 1), True]


def test_what_tells_most_may_change_from_metric_to_metric_without_being_news():
    windows = Windows()
    mean = dataclasses.replace(DRIFT, metric="standardized_mean_difference", value=1.4, low=1.3, high=1.5)
    spread = dataclasses.replace(mean, metric="standard_deviation_ratio", value=3.0, low=None, high=None)
    assert [windows.see(finding) for finding in (mean, spread, mean, spread)] == [["opened"], [], [], []]
    assert windows.see(dataclasses.replace(mean, value=2.0, low=1.9, high=2.1)) == ["updated"]


@pytest.mark.parametrize(
    ("told", "now", "moved"),
    [
        ({"value": None}, {"value": 0.2}, True),
        ({"value": 0.2}, {"value": None}, False),
        ({"value": None}, {"value": None}, False),
        ({"low": None, "high": None}, {"value": 0.3}, True),
        ({"baseline": None, "limit": 0.2}, {"value": 0.3, "low": 0.291, "high": 0.31}, True),
        (
            {"baseline": None, "value": 1.0, "low": 0.9, "high": 1.1},
            {"value": 1.2, "low": 1.15, "high": 1.25},
            False,
        ),
        (
            {"baseline": None, "value": 1.0, "low": 0.9, "high": 1.1},
            {"value": 1.5, "low": 1.4, "high": 1.6},
            True,
        ),
    ],
)
def test_what_is_known_decides_what_a_move_is(told, now, moved):
    windows = Windows()
    before = dataclasses.replace(DRIFT, **told)
    windows.see(before)
    assert windows.see(dataclasses.replace(before, **now)) == (["updated"] if moved else [])


def test_severity_only_rises():
    windows = Windows()
    windows.see(DRIFT)
    assert windows.see(dataclasses.replace(DRIFT, severity="critical")) == ["updated"]
    assert windows.see(DRIFT) == []
    assert windows.see(dataclasses.replace(DRIFT, severity="critical")) == []
    assert windows.book.open_episodes()[0].severity == "critical"


def test_an_alert_resolves_after_enough_quiet_windows_in_a_row():
    windows = Windows()
    windows.see(DRIFT)
    seen = [windows.see(f) for f in (None, None, DRIFT, None, None, None, None)]
    assert seen == [[], [], [], [], [], ["resolved"], []]
    assert windows.book.open_episodes() == ()


def test_a_resolved_alert_says_how_long_it_lasted():
    windows = Windows()
    for finding in (DRIFT, None, None, None):
        windows.see(finding)
    assert windows.records[0]["summary"].endswith(
        "(since 09:55, 09:53–09:57); mostly age up; resolved after 15 min"
    )
    assert windows.records[0]["sequence"] == 2
    assert windows.records[0]["opened_at"] == "2026-11-21T10:00:00.000000Z"


def swing(windows: Windows, times: int) -> None:
    """Opens and resolves so many times, 35 minutes apart."""
    for _ in range(times):
        assert [windows.see(f) for f in (DRIFT, None, None, None)] == [["opened"], [], [], ["resolved"]]
        windows.now_us += 15 * MINUTE


def test_an_alert_that_opens_for_the_third_time_in_a_day_flaps_and_is_held_open():
    windows = Windows()
    swing(windows, 2)
    assert windows.see(DRIFT) == ["opened"]
    assert (windows.records[0]["reason"], windows.records[0]["flapping"]) == ("flaps", True)
    assert windows.records[0]["summary"].endswith("; it flaps: held open until it has been quiet for 6 h")
    stronger = dataclasses.replace(DRIFT, value=0.9, low=0.8, high=1.0)
    seen = [windows.see(f) for f in (*[None] * 10, DRIFT, *[None] * 10, stronger)]
    assert seen == [[]] * 22, "each swing was told"
    assert windows.see(dataclasses.replace(DRIFT, severity="critical")) == ["updated"]
    seen = [windows.see(None) for _ in range(72)]  # six hours
    assert seen == [*[[]] * 71, ["resolved"]]
    assert "flaps" not in windows.records[0]["summary"]


def test_openings_a_day_apart_are_no_flapping():
    windows = Windows()
    swing(windows, 2)
    windows.now_us += 24 * 60 * MINUTE
    assert windows.see(DRIFT) == ["opened"]
    assert windows.records[0]["flapping"] is False


def test_what_joins_an_alert_that_flaps_is_told_once():
    windows = Windows()
    swing(windows, 2)
    windows.see(DRIFT)
    gap = dataclasses.replace(DRIFT, monitor="estimate_gap", metric="accuracy")

    def join(finding: Finding | None) -> list[str]:
        told = windows.book.observe("7", "estimate_gap", (), finding, windows.now_us, None, CONTEXT)
        windows.now_us += 5 * MINUTE
        return [output.record["reason"] for output in told]

    assert [join(f) for f in (gap, None, None, None, gap)] == [["joined"], [], [], [], []]


def escalated(windows: Windows, hours: int = 4) -> list[tuple[str, str, str]]:
    records = [o.record for o in windows.book.escalate(windows.now_us, hours * 60 * MINUTE)]
    return [(record["state"], record["severity"], record["reason"]) for record in records]


def test_a_warning_that_nobody_acknowledges_becomes_critical_once():
    windows = Windows()
    windows.see(DRIFT, minutes=239)
    assert escalated(windows) == []
    windows.now_us += MINUTE
    assert escalated(windows) == [("updated", "critical", "escalates")]
    windows.now_us += 600 * MINUTE
    assert escalated(windows) == []
    assert windows.see(DRIFT) == []
    summary = windows.book.control(word(Resolve, KNOWN), windows.now_us)[0].record["summary"]
    assert "nobody" not in summary


def test_the_step_says_that_nobody_took_the_warning_up():
    windows = Windows()
    windows.see(DRIFT, minutes=240)
    [output] = windows.book.escalate(windows.now_us, 240 * MINUTE)
    assert output.record["summary"].endswith("; critical, as nobody has acknowledged it for 4 h")


@pytest.mark.parametrize("severity", ["info", "critical"])
def test_only_a_warning_escalates(severity):
    windows = Windows()
    windows.see(dataclasses.replace(DRIFT, severity=severity), minutes=600)
    assert escalated(windows) == []


def test_nothing_escalates_that_is_acknowledged_calms_down_or_is_silenced():
    windows = Windows()
    windows.see(DRIFT)
    windows.book.control(word(Acknowledge, KNOWN), windows.now_us)
    windows.now_us += 600 * MINUTE
    assert escalated(windows) == []
    calming = Windows()
    calming.see(DRIFT)
    calming.see(None, minutes=600)
    assert escalated(calming) == []
    silenced = Windows()
    silenced.see(DRIFT, minutes=600)
    silenced.book.control(silence(silenced.now_us + MINUTE, severity="critical"), silenced.now_us)
    assert escalated(silenced) == []
    silenced.now_us += MINUTE
    assert len(escalated(silenced)) == 1


def test_the_routing_key_follows_the_severity():
    alerts = {"route": "risk", "routes": {"critical": "risk-pager"}}
    definition = MonitorDefinition(model="credit", alerts=alerts)
    windows = Windows(context=AlertContext.of(definition))
    windows.see(DRIFT)
    assert windows.records[0]["route"] == "risk"
    windows.see(dataclasses.replace(DRIFT, severity="critical"))
    assert windows.records[0]["route"] == "risk-pager"
    [resolved] = windows.book.control(word(Resolve, KNOWN), windows.now_us)
    assert resolved.record["route"] == "risk-pager"


@pytest.mark.parametrize("alerts", [{"route": "on call"}, {"routes": {"fatal": "x"}}, {"escalate_after": 0}])
def test_routes_are_words_of_known_severities(alerts):
    with pytest.raises(ValueError, match="alerts"):
        MonitorDefinition(model="credit", alerts=alerts)


def test_nothing_reopens_within_the_cooldown_and_then_a_new_episode_begins():
    windows = Windows()
    for finding in (DRIFT, None, None, None):
        windows.see(finding)
    assert windows.see(DRIFT) == []
    assert windows.see(DRIFT) == ["opened"]
    assert windows.records[0]["episode"] == 2
    assert windows.records[0]["sequence"] == 1
    assert windows.records[0]["alert_id"].endswith("-2")


def test_versions_monitors_and_segments_have_episodes_of_their_own():
    book = AlertBook("credit")
    keys = [
        ("7", "drift", ()),
        ("8", "drift", ()),
        ("7", "accuracy", ()),
        ("7", "drift", (("country", "NO"),)),
    ]
    opened = [book.observe(*key, DRIFT, NOW)[0].record for key in keys]
    assert len({record["fingerprint"] for record in opened}) == len(keys)
    assert opened[-1]["segment"] == {"country": "NO"}


def word(kind: type[Acknowledge] | type[Resolve], known: str, actor: str = "kari", note: str | None = None):
    return kind(actor=actor, time_us=NOW, model="credit", fingerprint=known, note=note)


def silence(until_us: int, **matcher: str) -> Silence:
    return Silence(actor="kari", time_us=NOW, until_us=until_us, matcher=matcher)


KNOWN = fingerprint("credit", "7", "concept_drift", ())


def test_an_acknowledged_alert_is_only_told_again_when_it_worsens():
    windows = Windows()
    windows.see(DRIFT)
    [acknowledged] = windows.book.control(word(Acknowledge, KNOWN, note="on it"), windows.now_us)
    assert acknowledged.record["state"] == "acknowledged"
    assert (acknowledged.record["actor"], acknowledged.record["note"]) == ("kari", "on it")
    assert acknowledged.record["summary"].endswith("; acknowledged by kari")
    assert windows.book.control(word(Acknowledge, KNOWN, actor="ola"), windows.now_us) == []
    assert windows.see(dataclasses.replace(DRIFT, value=0.4, low=0.35, high=0.45)) == []
    assert windows.see(dataclasses.replace(DRIFT, severity="critical")) == ["updated"]
    assert [windows.see(None) for _ in range(3)] == [[], [], ["resolved"]]


def test_an_operator_resolves_an_alert_and_it_cools_down_like_any_other():
    windows = Windows()
    windows.see(DRIFT)
    [resolved] = windows.book.control(word(Resolve, KNOWN), windows.now_us)
    assert resolved.record["state"] == "resolved"
    assert resolved.record["summary"].endswith("; resolved by kari after 5 min")
    assert windows.see(DRIFT) == []
    windows.now_us += 10 * MINUTE
    assert windows.see(DRIFT) == ["opened"]


@pytest.mark.parametrize("kind", [Acknowledge, Resolve])
def test_a_fingerprint_that_is_not_open_is_refused(kind):
    with pytest.raises(BadEvent, match="fingerprint 9f2c is open") as refused:
        AlertBook("credit").control(word(kind, "9f2c"), NOW)
    assert refused.value.reason is Reason.REFUSED


def test_a_matcher_for_a_field_that_no_alert_has_is_refused():
    with pytest.raises(BadEvent, match="no field 'moniter'"):
        AlertBook("credit").control(silence(NOW + MINUTE, moniter="drift"), NOW)


def test_a_silenced_alert_neither_opens_nor_updates_until_the_silence_ends():
    windows = Windows()
    windows.book.control(silence(NOW + 10 * MINUTE, monitor="concept_drift"), NOW)
    assert [windows.see(DRIFT) for _ in range(3)] == [[], [], ["opened"]]
    elsewhere = silence(NOW + 90 * MINUTE, **{"segment.country": "NO"})
    windows.book.control(elsewhere, NOW)
    assert windows.see(dataclasses.replace(DRIFT, severity="critical")) == ["updated"]
    windows.book.control(silence(NOW + 90 * MINUTE), NOW)
    assert windows.see(dataclasses.replace(DRIFT, severity="critical", value=0.9)) == []
    assert [windows.see(None) for _ in range(3)] == [[], [], ["resolved"]]


def test_a_silence_by_fingerprint_knows_an_alert_that_never_opened():
    windows = Windows()
    windows.book.control(silence(NOW + MINUTE, fingerprint=KNOWN), NOW)
    assert windows.see(DRIFT) == []


def test_what_a_silence_kept_back_is_told_when_it_ends():
    windows = Windows()
    windows.see(DRIFT)
    windows.book.control(silence(windows.now_us + MINUTE), windows.now_us)
    assert windows.see(dataclasses.replace(DRIFT, severity="critical")) == []
    assert windows.see(dataclasses.replace(DRIFT, severity="critical")) == ["updated"]


def test_several_verdicts_within_one_window_count_as_one():
    windows = Windows(context=dataclasses.replace(CONTEXT, window_us=5 * MINUTE))
    seen = [windows.see(f, minutes=1) for f in (DRIFT, *[None] * 14)]
    assert seen == [["opened"], *[[]] * 14]
    assert windows.see(None) == ["resolved"]


def test_alerts_of_a_version_without_traffic_are_superseded():
    book = AlertBook("credit")
    book.observe("7", "drift", (), DRIFT, NOW)
    book.observe("8", "drift", (), DRIFT, NOW)
    [ended] = book.superseded("7", NOW + MINUTE)
    assert (ended.record["version"], ended.record["state"]) == ("7", "superseded")
    assert [episode.version for episode in book.open_episodes()] == ["8"]


def test_what_nothing_judges_any_more_expires():
    windows = Windows()
    windows.see(DRIFT)
    assert windows.book.expire(NOW + 60 * MINUTE, after_us=60 * MINUTE) == []
    [ended] = windows.book.expire(NOW + 61 * MINUTE, after_us=60 * MINUTE)
    assert ended.record["state"] == "expired"


def test_memory_is_bounded_and_an_alert_id_never_comes_twice():
    book, context = AlertBook("credit"), AlertContext(resolve_after=1, cooldown_us=0)
    seen = set()
    for episode in range(2):
        for monitor in range(MAX_CLOSED + 50):
            for finding in (DRIFT, None):
                now_us = NOW + 2 * episode + (finding is None)
                for output in book.observe("7", f"m{monitor}", (), finding, now_us, None, context):
                    seen.add((output.record["alert_id"], output.record["state"]))
    assert len(seen) == 2 * 2 * (MAX_CLOSED + 50)
    assert len(book.to_state()["closed"][1]) == MAX_CLOSED


def test_a_model_that_comes_back_counts_on_from_what_was_forgotten_too():
    book, context = AlertBook("credit"), AlertContext(resolve_after=1, cooldown_us=0)
    for day, monitor in enumerate(["often"] * 5 + [f"m{number}" for number in range(MAX_CLOSED)]):
        for finding in (DRIFT, None):
            now_us = NOW + day * 24 * 60 * MINUTE + (finding is None)
            book.observe("7", monitor, (), finding, now_us, None, context)
    assert book.open_episodes() == ()
    assert book.last_number == 5


def test_the_context_comes_from_the_definition():
    definition = MonitorDefinition(model="credit", resolve_after=5, cooldown="1h")
    context = AlertContext.of(definition, "sha256:b", "streamgauge 0.1.0")
    assert (context.resolve_after, context.cooldown_us) == (5, 60 * MINUTE)
    assert context.definition_id == definition.definition_id


@given(
    st.lists(st.sampled_from([DRIFT, dataclasses.replace(DRIFT, value=0.5), None]), max_size=20), st.data()
)
def test_a_book_restored_anywhere_goes_on_as_if_nothing_had_happened(findings, data):
    cut = data.draw(st.integers(0, len(findings)))
    whole, cut_short = Windows(), Windows()
    for i, finding in enumerate(findings):
        if i == cut:
            cut_short.book.control(silence(NOW + 1, version="6"), NOW)
            state = json.loads(json.dumps(cut_short.book.to_state()))
            cut_short.book = AlertBook.from_state("credit", state)
            assert cut_short.book.to_state() == state
        whole.see(finding)
        cut_short.see(finding)
        assert cut_short.records == whole.records

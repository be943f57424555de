"""Models sleep until something concerns them, and ticks visit those that are due: nothing shows of either."""

from collections import defaultdict
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.schemas.alert_ids import fingerprint
from streamgauge.schemas.control import (
    Acknowledge,
    AdoptBaseline,
    Define,
    Retrain,
    RetrainStatus,
    Silence,
    encode_control,
    encode_retrain_status,
)
from streamgauge.schemas.encode import encode_output
from streamgauge.schemas.errors import StateError
from streamgauge.schemas.message import (
    ALERTS,
    CONTROL,
    GROUND_TRUTH,
    METRICS,
    PREDICTIONS,
    RETRAIN_REQUESTS,
    RETRAIN_STATUS,
    Message,
    Output,
)
from streamgauge.streams.core import models, reading_on
from streamgauge.streams.core.judge import STEPS
from streamgauge.streams.core.partition import Partition
from streamgauge.streams.core.snapshot import decode_state, encode_state
from tests.core.scenario import SECOND_US, START_US, Feed, Run, define
from tests.examples import examples

MINUTE_US, HOUR_US = 60 * SECOND_US, 3_600 * SECOND_US
NAMES = ("credit", "prices", "slow", "held", "plain")
BINARY: dict[str, Any] = {"task": "binary", "pos_label": "yes"}
GENEROUS = {"alert_budget": {"false_alarms": 1.0, "horizon": "1d"}, "models": 1, "streams": 1}
DEFINITIONS = [
    define(
        "credit",
        **BINARY,
        baseline={"first": 200},
        monitors={"accuracy": {"min": 0.9, "windows": 1}},
        comparisons=[{"champion": "1", "challenger": "2"}],
        alerts={"escalate_after": "15m"},
        retrain={"on": ["accuracy", "failure_rate"], "min_labels": 5, "expiry": "20m", "cooldown": "10m"},
    ),
    define("prices", task="regression", labels={"ttl": "2d"}, retrain={"every": "90m", "min_labels": 1}),
    define(
        "slow",
        **BINARY,
        window="1h",
        labels={"ttl": "3d", "expected_within": "2h"},
        baseline={"first": 200},
        retrain={"every": "90m", "min_labels": 1, "expiry": "25m"},
    ),
    define(
        "held",
        **BINARY,
        window="1h",
        labels={"ttl": "3d", "expected_within": "2h"},
        retrain={
            "every": "40m",
            "min_labels": 150,
            "min_coverage": 0.5,
            "cooldown": "10m",
            "dry_run": True,
            "blocked_by": ["missing_labels", "traffic"],
            "blackout": ["10:30-11:20", "12:00-14:00"],
        },
    ),
]
WHO: dict[str, Any] = {"actor": "ann", "time_us": START_US}
ORDERS: dict[str, Any] = {
    "budget": Define(**WHO, document={**GENEROUS, "models": 3}),
    "silence": Silence(**WHO, until_us=START_US + HOUR_US, matcher={"monitor": "accuracy"}),
    "acknowledge": Acknowledge(**WHO, model="credit", fingerprint=fingerprint("credit", "1", "accuracy", ())),
    "baseline": AdoptBaseline(**WHO, model="credit", version="1"),
    "retrain": Retrain(**WHO, model="prices"),
    "another window": Define(**WHO, model="slow", document={"model": "slow", **BINARY, "window": "20m"}),
}

#: Either so many ticks, seconds apart; or events of a model, over so many seconds; or an order.
Action = tuple[str, Any]
pauses = st.sampled_from([(1, 1), (5, 1), (9, 13), (70, 1), (40, 61), (9, 700), (50, 1_200), (5, 9_000)])
actions = st.one_of(
    st.tuples(st.just("ticks"), pauses),
    st.tuples(st.just("ticks"), pauses),
    st.tuples(
        st.just("events"),
        st.tuples(
            st.sampled_from(NAMES), st.sampled_from([1, 30, 300]), st.sampled_from([1, 90, 4_000, 93_600])
        ),
    ),
    st.tuples(st.just("order"), st.sampled_from([*ORDERS, "status"])),
)


class Story(Run):
    """Actions, one after the other; with `eager`, each tick visits every model at once."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        *,
        eager: bool,
        visits: int = 1,
        most_bytes: int | None = None,
    ) -> None:
        super().__init__(clock="wall", most_bytes=most_bytes)
        self._monkeypatch, self._eager, self._visits = monkeypatch, eager, visits
        self._feed, self._chance, self._now_us, self._sent = Feed(), Random(1), START_US, 0
        with self._pace():
            orders = [Define(**WHO, document=GENEROUS)]
            orders += [Define(**WHO, model=d.model, document=d.model_dump(mode="json")) for d in DEFINITIONS]
            self._say([self._feed.message(CONTROL, encode_control(order)[0]) for order in orders])

    def act(self, action: Action) -> None:
        kind, what = action
        with self._pace():
            if kind == "ticks":
                count, pause_s = what
                for _ in range(count):
                    self._now_us += pause_s * SECOND_US
                    self.partition.tick(self._now_us)
            elif kind == "events":
                self._say(list(self._feed.packed(self._events(*what))))
            elif what == "status":
                said = {"request_id": "prices:1:1", "model": "prices", "attempt": 1, "state": "accepted"}
                status = RetrainStatus(**said, time_us=self._now_us)  # type: ignore[arg-type]
                self._say([self._feed.message(RETRAIN_STATUS, encode_retrain_status(status)[0])])
            else:
                self._say([self._feed.message(CONTROL, encode_control(ORDERS[what])[0])])
        self.commit()

    def told(self) -> dict[bytes, list[Any]]:
        """By model, what was told to the end of all time."""
        with self._pace():
            self.finish()
        found = by_model(self.outputs)
        return {model: [encode_output(output) for output in outputs] for model, outputs in found.items()}

    def _events(self, model: str, n: int, over_s: int) -> Any:
        """Half of them labelled, half of those wrong, of two versions; then time has passed."""
        chance, numeric = self._chance, model == "prices"
        predictions, labels = [], []
        for at in range(n):
            self._sent += 1
            time_us = self._now_us + at * over_s * SECOND_US // n
            event = {"prediction_id": f"{self._sent}", "model": model, "time": time_us}
            said = round(chance.random(), 3) if numeric else "yes"
            version = "12"[chance.random() < 0.4]
            answer = {"prediction": said} if chance.random() < 0.9 else {"error": "timeout"}
            features = {"x": round(chance.random() + (self._sent > 400), 3)}
            predictions.append((PREDICTIONS, {**event, "version": version, **answer, "features": features}))
            if chance.random() < 0.6:
                label = round(chance.random(), 3) if numeric else "yes" if chance.random() < 0.5 else "no"
                late = chance.random() < 0.1
                labels.append((GROUND_TRUTH, {**event, "label": label, "prediction_id": f"{self._sent}"}))
                if late:
                    labels[-1][1]["prediction_id"] = f"{self._sent + 40}"
        self._now_us += over_s * SECOND_US
        predictions.sort(key=lambda sent: sent[1]["version"])
        return [*predictions, *labels]

    def _say(self, messages: list[Message]) -> None:
        at = self._now_us
        self.partition.apply([Message(m.topic, m.offset, at, m.key, m.value) for m in messages])

    def _pace(self) -> Any:
        context = self._monkeypatch.context()
        patch = context.__enter__()
        if self._eager:
            for module in (models, reading_on):
                patch.setattr(module, "due_us", lambda _: -(2**62))
            patch.setattr(models, "MOST_VISITS", 1_000)
        else:
            patch.setattr(models, "MOST_VISITS", self._visits)
        return _Leaving(context)


class _Leaving:
    def __init__(self, context: Any) -> None:
        self._context = context

    def __enter__(self) -> None:
        """It has begun."""

    def __exit__(self, *error: Any) -> None:
        self._context.__exit__(*error)


@examples(150)
@given(
    st.lists(actions, min_size=1, max_size=14),
    st.sets(st.integers(0, 13)),
    st.sampled_from([1, 2, 11, 500]),
    st.sampled_from([None, 0, 4_000_000, 6_000_000]),
)
def test_what_is_told_is_the_same_as_if_all_were_awake_and_visited_at_each_tick(
    done: list[Action], restarts: set[int], visits: int, most_bytes: int | None
) -> None:
    """With few bytes of memory, models fall asleep again after each commit, or windows leave it."""
    both(done, restarts, visits, most_bytes)


#: Of each: what time alone brings about in it, and how often.
STORIES: dict[str, tuple[list[Action], str, Any]] = {
    "traffic stops after a day": (
        [("events", ("slow", 5_000, 93_600)), *[("ticks", (70, 20))] * 4],
        ALERTS,
        {"monitor": "traffic", "state": "opened"},
    ),
    "nobody answers a request": (
        [("events", ("slow", 300, 90)), *[("ticks", (400, 20))] * 2],
        RETRAIN_REQUESTS,
        {"model": "slow", "attempt": 2},
    ),
    "a request is due by the clock": (
        [("events", ("prices", 30, 90)), *[("ticks", (9, 700))] * 3],
        RETRAIN_REQUESTS,
        {"model": "prices", "attempt": 1},
    ),
    "a request waits for a blackout to end": (
        [("events", ("held", 1_000, 90)), *[("ticks", (70, 30))] * 3],
        RETRAIN_REQUESTS,
        {"model": "held", "time": "2026-11-21T11:20:00.000000Z"},
    ),
    "labels of two days are final": (
        [("events", ("slow", 300, 4_000)), *[("ticks", (50, 1_200))] * 5],
        METRICS,
        {"model": "slow", "metric": "accuracy", "status": "final"},
    ),
}


@pytest.mark.parametrize("visits", [1, 500])
@pytest.mark.parametrize("name", STORIES)
def test_what_time_alone_brings_about_comes_in_its_moment(name: str, visits: int) -> None:
    done, topic, wanted = STORIES[name]
    eager, _ = both(done, set(range(0, len(done), 2)), visits)
    assert [r for r in eager.records(topic, rollups=True) if wanted.items() <= r.items()]


def by_model(outputs: list[Output]) -> dict[bytes, list[Output]]:
    found = defaultdict(list)
    for output in outputs:
        found[output.key].append(output)
    return found


def both(
    done: list[Action], restarts: set[int], visits: int, most_bytes: int | None = None
) -> tuple["Story", "Story"]:
    """The eager run, and the other one, which has told the same."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        eager = Story(monkeypatch, eager=True)
        sleepy = Story(monkeypatch, eager=False, visits=visits, most_bytes=most_bytes)
        for number, action in enumerate(done):
            eager.act(action)
            sleepy.act(action)
            if visits > 100:  # then nobody has to wait for another tick
                assert by_model(sleepy.outputs) == by_model(eager.outputs)
            if number in restarts:
                sleepy.restart()
        expected, told = eager.told(), sleepy.told()
        assert told.keys() == expected.keys()
        for model, outputs in expected.items():
            assert told[model] == outputs
        counts = (story.partition.counts() | {"dead_lettered": 0} for story in (sleepy, eager))
        assert next(counts) == next(counts)
        return eager, sleepy


def many(count: int) -> Run:
    """Models of one event each, restored."""
    run, feed = Run(clock="wall"), Feed()
    for number in range(count):
        event = {"prediction_id": "a", "model": f"m{number}", "time": START_US, "prediction": "yes"}
        run.apply([feed.message(PREDICTIONS, event)])
    run.partition.tick(START_US + MINUTE_US)
    run.commit()
    run.restart()
    return run


def asleep(run: Run) -> int:
    return len(run.partition._models.cache.asleep)


def test_a_restore_decodes_nothing_and_knows_what_is_counted() -> None:
    run = many(30)
    assert asleep(run) == 30
    counts = run.partition.counts()
    assert (counts["models"], counts["applied"], counts["pending"]) == (30, 30, 30)
    paid, alerts = run.partition.spending()
    assert paid >= 0
    assert set(alerts.values()) == {0}
    assert not run.partition.changed
    assert asleep(run) == 30


def test_while_too_few_labels_hold_a_request_back_a_model_rests_between_steps() -> None:
    run, feed = Run(clock="wall"), Feed()
    document = define("credit", retrain={"every": "1m", "min_labels": 5}).model_dump(mode="json")
    run.apply([feed.message(CONTROL, encode_control(Define(**WHO, model="credit", document=document))[0])])
    event = {"prediction_id": "a", "model": "credit", "time": START_US, "prediction": "yes"}
    run.apply([feed.message(PREDICTIONS, event)])
    changed = 0
    for second in range(1, 601):
        run.partition.tick(START_US + second * SECOND_US)
        changed += run.partition.changed
        run.commit()
    (model,) = run.partition.models.values()
    assert model.retrain.held is not None
    step_us = model.definition.window // STEPS
    assert changed <= 600 * SECOND_US // step_us + 5


def test_an_event_or_an_order_wakes_the_model_that_it_is_about() -> None:
    run, feed = many(5), Feed()
    event = {"prediction_id": "b", "model": "m3", "time": START_US, "prediction": "yes"}
    run.partition.apply([Message(PREDICTIONS, 99, START_US, None, feed.message(PREDICTIONS, event).value)])
    assert asleep(run) == 4
    retrain = encode_control(Retrain(**WHO, model="m1"))[0]
    run.partition.apply([Message(CONTROL, 0, START_US, None, retrain)])
    assert asleep(run) == 3
    run.commit()
    assert {key for key in run.state if b'"model"' in key} == {b'["model","m%d"]' % n for n in range(5)}


def test_ticks_wake_a_few_at_a_time_when_they_are_due() -> None:
    run = many(120)
    most = models.MOST_VISITS // models.WAKING
    now_us = START_US + MINUTE_US
    left = []
    for _ in range(4):
        now_us += SECOND_US
        run.partition.tick(now_us + HOUR_US)
        left.append(asleep(run))
    assert left == [120 - most, 120 - 2 * most, 0, 0]


def test_checkpoints_do_not_carry_orders_to_the_fleet_that_all_have_read() -> None:
    run, feed, bytes_of_fleet = many(3), Feed(), list[int]()
    for number in range(60):
        order = Define(**WHO, document={**GENEROUS, "models": 3 + number % 2})
        run.apply([feed.message(CONTROL, encode_control(order)[0])])
        run.partition.tick(START_US + MINUTE_US + (number + 1) * SECOND_US)
        run.commit()
        bytes_of_fleet.append(len(run.state[b'["fleet"]']))
    assert bytes_of_fleet[-1] <= bytes_of_fleet[9]


def test_a_model_that_has_been_silent_for_days_is_not_visited_any_more() -> None:
    run = many(1)
    now_us = START_US
    for _ in range(4 * 24 * 6):  # four days: two of silence are watched, labels may come for one
        now_us += 600 * SECOND_US
        run.partition.tick(now_us)
    run.commit()
    run.restart()
    for _ in range(24 * 6):
        now_us += 600 * SECOND_US
        run.partition.tick(now_us)
    assert asleep(run) == 1
    assert not run.partition.changed
    (model,) = run.partition.models.values()
    assert model.intake.join.counts["expired"] == 1


def test_a_snapshot_of_a_newer_form_is_refused_before_anything_is_applied() -> None:
    run = many(1)
    for key, value in run.state.items():
        newer = {**run.state, key: value[:2] + b"\x63" + value[3:]}
        with pytest.raises(StateError, match="start the release that wrote it"):
            Partition.restore(0, run.settings, list(newer.items()))


def test_records_of_a_kind_that_only_a_newer_release_knows_are_deleted() -> None:
    run = many(2)
    unknown = {b'["horoscope","m1"]': b"?", b'["horoscopes"]': b"?"}
    run.partition = Partition.restore(0, run.settings, [*run.state.items(), *unknown.items()])
    deleted = [key for key, value in run.commit().changes if value is None]
    assert sorted(deleted) == sorted(unknown)


def test_what_is_damaged_is_refused_when_it_is_woken() -> None:
    run = many(1)
    key = next(key for key in run.state if key.startswith(b'["window"'))
    run.state[key] = run.state[key][:-1] + bytes([run.state[key][-1] ^ 1])
    run.restart()
    with pytest.raises(StateError, match="damaged"):
        _ = run.partition.models


@pytest.mark.parametrize("changed", [lambda state: {}, lambda state: [state], lambda _: None])
def test_state_of_another_form_is_refused_with_what_to_do(changed: Any) -> None:
    run = many(1)
    key = next(key for key in run.state if key.startswith(b'["model"'))
    run.state[key] = encode_state(changed(decode_state(run.state[key])))
    run.restart()
    with pytest.raises(StateError, match=r"the state of 'm0' is of another form.*STREAMGAUGE_TOPIC_PREFIX"):
        _ = run.partition.models

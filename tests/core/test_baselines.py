"""Baselines that are given: adopted by an operator's order, or named by a definition."""

import json
import random
from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from streamgauge.detectors.baseline import build_profile
from streamgauge.detectors.binning import FeatureBinner
from streamgauge.detectors.calibration import learn_calibration
from streamgauge.detectors.distances import FeatureCounts
from streamgauge.schemas.batch import Categories
from streamgauge.schemas.control import AdoptBaseline, Define
from streamgauge.schemas.message import ALERTS, DEAD_LETTERS, GROUND_TRUTH, METRICS, PREDICTIONS, Message
from streamgauge.schemas.profile import BaselineProfile
from streamgauge.schemas.times import format_time
from streamgauge.streams.core.bank import watched
from streamgauge.streams.core.status import status_of
from tests.core.naive import agrees
from tests.core.scenario import SECOND_US, START_US, Feed, Run, Sent, define

FIRST = 200
BINARY: dict[str, Any] = {"task": "binary", "pos_label": "yes"}
#: An account that pays in enough for a shift to be found within a few hundred events.
GENEROUS = {"alert_budget": {"false_alarms": 1.0, "horizon": "1d"}, "models": 1, "streams": 1}


def events(
    start: int, n: int, *, version: str = "7", shift: float = 0.0, seed: int = 0, wrong: float = 0.1
) -> list[Sent]:
    """Predictions of one a second with their labels; `shift` moves the feature `age`."""
    chance = random.Random(f"{seed} {start} {version}")
    sent: list[Sent] = []
    for i in range(start, start + n):
        answer = chance.choice(["yes", "no"])
        event = {
            "prediction_id": f"{version}-{i}",
            "model": "m",
            "version": version,
            "time": START_US + i * SECOND_US,
            "prediction": answer,
            "score": chance.random(),
            "features": {"age": chance.gauss(40 + 10 * shift, 10), "job": chance.choice("abc")},
        }
        label = answer if chance.random() > wrong else {"yes": "no", "no": "yes"}[answer]
        truth = {"prediction_id": f"{version}-{i}", "model": "m", "time": event["time"], "label": label}
        sent += [(PREDICTIONS, event), (GROUND_TRUTH, truth)]
    return sent


def profile_of(sent: list[Sent], errors: bool = False) -> BaselineProfile:
    rows = [event for topic, event in sent if topic == PREDICTIONS]
    ages = np.array([row["features"]["age"] for row in rows])
    jobs = Categories.of([row["features"]["job"] for row in rows])
    return build_profile(
        {"age": ages, "job": jobs},
        Categories.of([row["prediction"] for row in rows]),
        np.array([row["score"] for row in rows]),
        np.arange(len(rows)) % 10 // 9.0 if errors else None,
    )


class Story(Run):
    """A run whose messages are also kept, to be told again in other pieces."""

    def __init__(self, **definition: Any) -> None:
        super().__init__()
        self.feed = Feed()
        self.messages: list[Message] = []
        fleet = Define(actor="ops", time_us=START_US, document=GENEROUS)
        self.tell(self.feed.control(fleet)).define(**definition)

    def tell(self, messages: list[Message]) -> "Story":
        self.messages += messages
        self.apply(messages).commit()
        return self

    def define(self, **changes: Any) -> "Story":
        return self.tell(self.feed.definitions([define("m", **{**BINARY, **changes})]))

    def sent(self, sent: list[Sent]) -> "Story":
        return self.tell(self.feed.singles(sent))

    def adopt(self, profile: BaselineProfile | None, version: str | None = "7", **said: Any) -> "Story":
        document = None if profile is None else profile.to_json()
        order = AdoptBaseline(
            actor="ann", time_us=START_US, model="m", version=version, document=document, **said
        )
        return self.tell(self.feed.control(order))

    def again(self, size: int, restarts: bool = False) -> Run:
        """The same messages, in pieces of `size`."""
        run = Run()
        for at in range(0, len(self.messages), size):
            run.apply(self.messages[at : at + size]).commit()
            if restarts:
                run.restart()
        return run

    def watch(self, version: str = "7") -> Any:
        return self.partition.models["m"].intake.versions[version].watch

    @property
    def refused(self) -> list[str]:
        return [letter["detail"] for letter in self.records(DEAD_LETTERS)]

    def alerts(self, monitor: str) -> list[Any]:
        return [alert for alert in self.records(ALERTS) if alert["monitor"] == monitor]


def learned(**definition: Any) -> Story:
    """A model whose version 7 has a baseline of its own, and some quiet minutes behind it."""
    if not definition:
        return deepcopy(_learned())
    return Story(baseline={"first": FIRST}, **definition).sent(events(0, 400))


@cache
def _learned() -> Story:
    """Most stories begin so: it is told once."""
    return Story(baseline={"first": FIRST}).sent(events(0, 400))


def drifted() -> Story:
    story = learned().sent(events(400, 900, shift=1.5))
    assert [alert["state"] for alert in story.alerts("drift")][:1] == ["opened"]
    return story


@pytest.mark.slow
def test_a_drift_alert_resolves_when_its_new_normal_is_adopted_and_the_record_says_who_and_why() -> None:
    story = drifted()
    before = story.watch().baseline_id
    profile = profile_of(events(400, 900, shift=1.5))
    story.adopt(profile, note="the campaign goes on until May")
    story.restart()
    [version] = status_of(story.partition.models["m"]).versions
    assert version.adopted is not None
    assert (version.adopted.actor, version.adopted.before, version.adopted.after, version.adopted.note) == (
        "ann", before, profile.profile_id, "the campaign goes on until May",
    )  # fmt: skip
    last = story.alerts("drift")[-1]
    assert (last["state"], last["actor"]) == ("resolved", "ann")
    assert last["note"] == "the campaign goes on until May"
    assert last["summary"].endswith("ann changed what it is judged against")
    assert last["baseline_id"] == before
    assert story.watch().baseline_id == profile.profile_id != before


@pytest.mark.slow
def test_after_the_adoption_the_shifted_world_is_quiet_and_the_old_one_is_drift() -> None:
    story = drifted().adopt(profile_of(events(400, 900, shift=1.5)))
    told = len(story.alerts("drift"))
    story.sent(events(1_300, 900, shift=1.5))
    assert len(story.alerts("drift")) == told
    story.sent(events(2_200, 900))
    reopened = story.alerts("drift")[told]
    assert (reopened["state"], reopened["episode"]) == ("opened", 2)
    assert reopened["baseline_id"] == story.watch().baseline_id


def test_evidence_starts_at_nothing_and_pays_from_the_adoption_on() -> None:
    story = learned().sent(events(400, 60, shift=1.5))
    story.adopt(profile_of(events(0, FIRST)))
    state = story.watch().bank.to_state()
    story.adopt(profile_of(events(0, FIRST)))
    assert np.array_equal(
        np.concatenate([np.ravel(part) for part in leaves(state)]),
        np.concatenate([np.ravel(part) for part in leaves(story.watch().bank.to_state())]),
    )


def leaves(state: Any) -> list[Any]:
    if isinstance(state, dict):
        return [leaf for part in state.values() for leaf in leaves(part)]
    if isinstance(state, list | tuple):
        return [leaf for part in state for leaf in leaves(part)]
    return [np.array([-1.0]) if state is None else np.asarray(state, np.float64)]


def feature_values(run: Run) -> dict[tuple[Any, ...], Any]:
    found = {}
    for record in run.records(METRICS):
        if record["feature"] not in (None, "label") and record["version"] == "7":
            key = (record["window"]["start"], record["feature"], record["metric"])
            found[key] = (record["value"], record["n"])
    return found


@pytest.mark.slow
def test_feature_metrics_after_an_adoption_are_those_of_the_rows_after_it() -> None:
    story = learned()  # 400 s; the window from 360 s is open, as is that from 300 s for its grace
    before = feature_values(story)
    profile = profile_of(events(5_000, 1_000, shift=0.5))
    story.adopt(profile)
    late = [(topic, event) for topic, event in events(330, 20, seed=9, version="7")]
    for _, event in late:
        event["prediction_id"] += "-late"
    more = events(400, 300)
    story.sent(late[:1] + more).finish()
    expected: dict[tuple[str, str, str], Any] = {}
    binner = FeatureBinner(watched(profile))
    windows: dict[int, list[Any]] = {}
    for topic, event in more:
        if topic == PREDICTIONS:
            windows.setdefault(event["time"] // (60 * SECOND_US) * 60 * SECOND_US, []).append(event)
    for start_us, rows in windows.items():
        counts = FeatureCounts(binner)
        counts.update_many(
            {
                "age": np.array([row["features"]["age"] for row in rows]),
                "job": Categories.of([row["features"]["job"] for row in rows]),
                "prediction": Categories.of([row["prediction"] for row in rows]),
                "score": np.array([row["score"] for row in rows]),
            },
            len(rows),
        )
        for feature, metrics in counts.metrics().items():
            for metric, estimate in metrics.items():
                expected[stamp(start_us), feature, metric] = (estimate.value, estimate.n)
            expected[stamp(start_us), feature, "baseline_fit"] = (1.0, 1_000)
    after = feature_values(story)
    assert expected.keys() <= after.keys()
    for key, (value, n) in expected.items():
        assert after[key][1] == n, key
        assert agrees(key[2], after[key][0], value, n), key
    # what was published against the old baseline stays, although a late event restated its window
    assert {key: after[key] for key in before} == before
    throughput = [
        r
        for r in story.records(METRICS)
        if r["metric"] == "throughput_per_s" and r["window"]["start"] == stamp(START_US + 300 * SECOND_US)
    ]
    assert throughput[-1]["revision"] >= 1
    assert set(after) == set(before) | set(expected)


def stamp(time_us: int) -> str:
    return format_time(time_us)


def eventful(**definition: Any) -> Story:
    """Everything that can happen to a baseline, in one story."""
    story = learned(**definition).sent(events(400, 150, shift=1.5))
    story.adopt(profile_of(events(400, 900, shift=1.5), errors=True)).sent(events(550, 100, shift=1.5))
    story.adopt(None)
    both = zip(events(650, 250), events(650, 250, version="8"), strict=True)
    story.sent([event for pair in both for event in pair])
    story.define(baseline={"first": FIRST, "version": "7"}).sent(events(900, 90, version="8"))
    story.sent(events(950, 60, version="9", shift=0.3))
    story.adopt(profile_of(events(0, 900)), version=None).sent(events(1_000, 90, version="8"))
    return story.sent(events(1_090, 60, version="10"))


@pytest.mark.slow
def test_restarts_between_adoptions_change_nothing() -> None:
    story = eventful()
    assert story.refused == []
    steady, interrupted = story.again(150), story.again(150, restarts=True)
    steady.finish()
    interrupted.finish()
    assert interrupted.outputs == steady.outputs
    assert interrupted.state == steady.state


@pytest.mark.slow
@pytest.mark.parametrize("size", [13, 400])
def test_how_messages_are_cut_between_adoptions_does_not_show(size: int) -> None:
    story = eventful()
    assert story.again(size).finish().final() == story.finish().final()


@pytest.mark.slow
def test_current_learns_a_baseline_anew_of_features_and_of_errors() -> None:
    story = drifted()
    story.adopt(None)
    watch = story.watch()
    assert (watch.profile, watch.baseline_id, watch.lacking) == (None, None, FIRST)
    assert not any(b'"profile"' in key for key in story.state)
    assert story.alerts("drift")[-1]["state"] == "resolved"
    story.restart().sent(events(1_300, FIRST, shift=1.5))
    assert story.watch().profile.rows == FIRST
    assert story.watch().profile.features["age"].mean == pytest.approx(55, abs=3)
    assert story.watch().errors.profile.n == FIRST


@pytest.mark.slow
def test_a_profile_with_errors_is_the_baseline_of_errors_too() -> None:
    story = learned().adopt(profile_of(events(0, 1_000), errors=True))
    assert story.watch().errors.baseline == pytest.approx(0.1)
    assert story.watch().errors.profile.n == 1_000
    story = learned().adopt(profile_of(events(0, 1_000)))
    assert story.watch().errors.profile.n == FIRST


@pytest.mark.slow
def test_a_concept_drift_alert_resolves_when_worse_errors_are_adopted() -> None:
    story = learned().sent(events(400, 900, wrong=0.5))
    assert story.alerts("concept_drift")[0]["state"] == "opened"
    profile = profile_of(events(0, 1_000), errors=True)
    story.adopt(profile)
    assert story.alerts("concept_drift")[-1]["state"] == "resolved"


def test_a_stored_profile_for_all_is_for_versions_to_come_too() -> None:
    profile = profile_of(events(0, 1_000))
    story = Story(baseline={"profile": "m.json"}).adopt(profile, version=None)
    story.restart().sent(events(0, 30)).restart().sent(events(30, 30, version="8"))
    assert {story.watch(v).baseline_id for v in ("7", "8")} == {profile.profile_id}
    assert any(r["feature"] == "age" for r in story.finish().records(METRICS))


def test_sending_the_profile_that_is_in_force_again_keeps_the_evidence() -> None:
    profile = profile_of(events(0, 1_000))
    story = Story(baseline={"profile": "m.json"}).adopt(profile, version=None).sent(events(0, 300))
    before = story.state
    story.define(baseline={"profile": "m.json"}).adopt(profile, version=None)
    kept = {key: value for key, value in story.state.items() if b"applied" not in key}
    assert kept == {key: value for key, value in before.items() if b"applied" not in key}


def test_until_its_profile_comes_a_version_learns_its_own() -> None:
    story = Story(baseline={"profile": "m.json", "first": FIRST}).sent(events(0, 250))
    assert story.watch().profile.rows == FIRST
    profile = profile_of(events(0, 1_000))
    story.adopt(profile, version=None)
    assert story.watch().baseline_id == profile.profile_id


def test_versions_take_the_baseline_of_the_version_that_is_named() -> None:
    story = learned().sent(events(400, 100, version="8"))
    own = story.watch().baseline_id
    story.define(baseline={"first": FIRST, "version": "7"})
    assert (story.watch().baseline_id, story.watch("8").baseline_id) == (own, own)
    story.restart().sent(events(500, 10, version="9"))
    assert story.watch("9").baseline_id == own


def test_who_comes_before_the_named_version_has_a_baseline_learns_its_own() -> None:
    story = Story(baseline={"first": FIRST, "version": "7"})
    story.sent(events(0, 100)).sent(events(100, 10, version="8")).sent(events(110, 150))
    story.sent(events(260, 10, version="9"))
    assert story.watch("8").lacking == FIRST - 10
    assert story.watch("9").baseline_id == story.watch("7").baseline_id is not None


@pytest.mark.slow
def test_the_named_version_may_be_forgotten_and_its_baseline_is_not() -> None:
    story = Story(baseline={"first": FIRST, "version": "7"}).sent(events(0, 250))
    own = story.watch().baseline_id
    story.sent(events(250, 1_500, version="8")).sent(events(90_000, 300, version="8"))
    assert "7" not in story.partition.models["m"].intake.versions
    story.restart().sent(events(90_300, 10, version="9"))
    assert story.watch("9").baseline_id == own


def test_back_to_learning_starts_anew() -> None:
    story = learned().define(baseline={"first": FIRST, "version": "7"})
    story.define(baseline={"first": FIRST})
    assert story.watch().profile is None
    story.restart()
    assert story.partition.models["m"].intake.reference.profile is None


@pytest.mark.parametrize(
    ("version", "document", "said"),
    [
        ("99", None, "no version '99'"),
        ("7", {}, "schema None"),
        ("7", {"schema": 1, "rows": 1e400}, "rows"),
        ("7", {"schema": 1, "rows": 1}, "not a baseline profile"),
    ],
)
def test_what_cannot_be_adopted_is_refused_and_changes_nothing(
    version: str, document: Any, said: str
) -> None:
    story = learned()
    before = story.watch().baseline_id
    order = AdoptBaseline(actor="ann", time_us=START_US, model="m", version=version, document=document)
    try:
        messages = story.feed.control(order)
    except ValueError:  # what is not finite cannot even be encoded
        return
    story.tell(messages)
    assert [said in detail for detail in story.refused] == [True]
    assert story.watch().baseline_id == before


def test_errors_of_another_task_are_refused() -> None:
    numbers = build_profile({"age": np.arange(300.0)}, np.arange(300.0), None, np.arange(300.0))
    story = learned().adopt(numbers)
    assert "task is binary" in story.refused[0]


def test_errors_of_another_task_that_come_before_the_task_is_known_are_learned() -> None:
    numbers = build_profile({"age": np.arange(300.0)}, np.arange(300.0), None, np.arange(300.0))
    run = Story(task=None, pos_label=None, baseline={"profile": "m.json", "first": FIRST})
    run.adopt(numbers, version=None).sent(events(0, 300))
    assert run.watch().baseline_id == numbers.profile_id
    assert run.watch().errors.profile.n == FIRST
    run.finish()


def test_an_adoption_without_evidence_monitors_is_fine() -> None:
    off = {
        name: {"enabled": False} for name in ("drift", "prediction_drift", "data_quality", "concept_drift")
    }
    story = learned(monitors=off).adopt(profile_of(events(0, 500), errors=True)).sent(events(400, 200))
    assert story.restart().watch().profile.rows == 500
    assert story.records(ALERTS) == []


@pytest.mark.slow
def test_drift_that_lasts_a_day_says_that_the_baseline_may_be_stale_until_another_is_adopted() -> None:
    story = learned(window="1h", labels={"ttl": "1h"})
    hour = 3_600
    for number in range(1, 30):
        moved = events(400 + number * 60, 60, shift=3.0)
        for _, event in moved:
            second = (event["time"] - START_US) // SECOND_US - 400 - number * 60
            event["time"] = START_US + (number * hour + second * 50) * SECOND_US
        story.sent(moved).restart()
    (stale,) = story.alerts("stale_baseline")
    assert (stale["state"], stale["severity"]) == ("opened", "info")
    assert stale["summary"].startswith("m 7: stale baseline (since ")
    since = [story.alerts("drift")[0][name] for name in ("onset_low", "onset", "onset_high")]
    assert [stale[name] for name in ("onset_low", "onset", "onset_high")] == since == sorted(since)
    assert [c["feature"] for c in stale["contributors"]] == ["age"]
    story.adopt(profile_of(events(0, 900, shift=3.0)))
    assert [alert["state"] for alert in story.alerts("stale_baseline")] == ["opened", "resolved"]


@pytest.mark.parametrize(("adopts", "alerts"), [(False, ["opened"]), (True, [])])
def test_windows_against_the_old_baseline_count_towards_no_limit(adopts: bool, alerts: list[str]) -> None:
    story = learned(monitors={"psi": {"max": 0.5, "windows": 2, "raw": True}})
    story.sent(events(420, 75, shift=3.0))  # one window is over
    if adopts:
        story.adopt(profile_of(events(0, 500)))
    story.sent(events(495, 60, shift=3.0))  # and another one
    assert [alert["state"] for alert in story.alerts("psi") if alert["segment"]["feature"] == "age"] == alerts


def test_features_whose_baseline_is_unfit_say_so_in_every_window() -> None:
    sent = events(0, 400)
    for second, (_, event) in enumerate(sent):
        if "features" in event:
            event["features"]["trend"] = float(second)
    story = Story(baseline={"first": FIRST}).sent(sent).finish()
    fit = {
        (r["feature"], r["value"], r["n"]) for r in story.records(METRICS) if r["metric"] == "baseline_fit"
    }
    assert {("age", 1.0, FIRST), ("trend", 0.0, FIRST)} <= fit


def test_a_limit_on_the_fit_of_baselines_is_an_alert() -> None:
    sent = events(0, 400)
    for second, (_, event) in enumerate(sent):
        if "features" in event:
            event["features"]["trend"] = float(second)
    story = Story(baseline={"first": FIRST}, monitors={"baseline_fit": {"min": 1, "severity": "info"}}).sent(
        sent
    )
    assert {alert["segment"]["feature"] for alert in story.finish().alerts("baseline_fit")} == {"trend"}


WRONG: list[Any] = [0, -1, 2**63, 10**400, 1e308, "x", None, True, [], [1.0, 2.0], {}, "categorical"]


def damaged(document: Any, chance: random.Random) -> None:
    """Replaces one value, somewhere."""
    while True:
        keys = list(document) if isinstance(document, dict) else range(len(document))
        key = chance.choice(list(keys))
        if not isinstance(document[key], dict | list) or not document[key] or chance.random() < 0.2:
            document[key] = chance.choice(WRONG)
            return
        document = document[key]


@pytest.mark.slow
def test_no_damaged_profile_stops_the_partition() -> None:
    rng, chance = np.random.default_rng(1), random.Random(1)
    cells, outcomes = rng.integers(0, 100, 500), rng.random((2, 500)) < 0.5
    learned = learn_calibration(cells, *outcomes)
    whole = replace(profile_of(events(0, 300), errors=True), estimator=learned).to_json()
    sent = events(0, 200)
    for number in range(20):
        document = json.loads(json.dumps(whole))
        damaged(document, chance)
        order = AdoptBaseline(actor="a", time_us=START_US, model="m", document=document)
        story = Story(baseline={"profile": "m.json"}).sent(sent[:20])
        story.tell(story.feed.control(order)).sent(sent[20:]).restart()
        assert story.watch().definition.model == "m", number

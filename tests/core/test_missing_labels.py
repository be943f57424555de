"""Labels that do not come: one alert says so, and what rests on them neither opens nor ends meanwhile."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from streamgauge.schemas.batch import Floats
from streamgauge.schemas.decode import decode_messages
from streamgauge.schemas.encode import encode_ground_truth_batch
from streamgauge.schemas.merge import take_rows
from streamgauge.schemas.message import METRICS, RETRAIN_REQUESTS, Message
from streamgauge.schemas.monitor import Fleet, Labels, MonitorDefinition
from streamgauge.schemas.monitor_names import BUILT_IN, rests_on_labels
from streamgauge.schemas.monitor_names import METRICS as NAMES
from streamgauge.streams.core.label_watch import DAY_US, LabelWatch
from streamgauge.streams.core.lasting import last
from streamgauge.streams.core.missing_labels import held_back
from streamgauge.streams.core.windows import ALL, Window
from tests.core.scenario import START_US, Feed, Run, define
from tests.core.test_partition_alerts import Story, classifier, story

MINUTE_US, HOUR_US = 60_000_000, 3_600_000_000
SOON: dict[str, Any] = {"labels": {"ttl": "1h", "min_coverage": 0.3, "expected_within": "2m"}}


def test_labels_that_stop_are_told_once_with_what_they_hold_back_until_they_come_again() -> None:
    told = story(**SOON, monitors={"accuracy": {"min": 0.5}}).tell(10, classifier)
    told.tell(4, classifier, labelled=False)
    told.run.restart()
    told.tell(6, classifier, labelled=False)
    [opened] = told.alerts()
    assert (opened["monitor"], opened["state"], opened["severity"]) == ("missing_labels", "opened", "warning")
    assert (opened["metric"], opened["value"], opened["limit"]) == ("label_coverage", 0.0, 0.3)
    assert opened["holds_back"] == ["concept_drift", "estimate_gap", "label_drift", "accuracy"]
    assert "until they come no alert opens of concept_drift" in opened["summary"]
    assert opened["offsets"]
    told.tell(10, classifier)
    assert told.states("missing_labels") == ["opened", "resolved"]
    assert "no alert opens" not in told.alerts("missing_labels")[-1]["summary"]


def every_fifth(message: Message) -> Message:
    """A batch of labels, thinned."""
    [(batch, _)] = decode_messages(message.topic, [message]).batches
    kept = take_rows(batch, np.arange(len(batch)) % 5 == 0)
    return replace(message, value=encode_ground_truth_batch(kept))


@pytest.mark.parametrize(
    ("monitors", "opened"),
    [({}, {"missing_labels"}), ({"missing_labels": {"enabled": False}}, {"concept_drift"})],
)
def test_no_alert_opens_of_the_few_labels_that_come_while_the_others_are_missing(monitors, opened) -> None:
    told = story(**SOON, monitors=monitors).tell(10, classifier)
    for window in range(30):
        told.tell(1, classifier, wrong=0.5 if window > 8 else 0.1)
        told.labels = [every_fifth(message) for message in told.labels]
    assert {alert["monitor"] for alert in told.alerts()} == opened


def test_an_alert_that_rests_on_labels_stays_as_it_is_without_them() -> None:
    told = story(**SOON).tell(10, classifier).tell(12, classifier, wrong=0.4)
    assert told.states("concept_drift") == ["opened"]
    told.labels = []
    told.tell(40, classifier, labelled=False)
    assert told.states("concept_drift") == ["opened"]
    assert told.states("missing_labels") == ["opened"]
    told.tell(40, classifier)
    assert told.states("concept_drift") == ["opened", "resolved"]


def test_labels_that_are_missing_end_no_alert_however_long_they_are() -> None:
    told = story(**SOON).tell(10, classifier).tell(12, classifier, wrong=0.4)
    told.labels = []
    told.tell(8, classifier, labelled=False)
    model = told.run.partition.models["m"]
    model.intake.now_us += 3 * DAY_US

    def ended() -> list[str]:
        return [output.record["monitor"] for output in last(model.intake, model.judge, model.book)]

    assert "concept_drift" not in ended()
    model.judge.labels.missing.clear()
    assert ended() == ["concept_drift"]


def test_a_window_without_labels_is_no_quiet_window_of_what_watches_labels() -> None:
    told = story().tell(10, classifier).tell(12, classifier, wrong=0.4)
    told.labels = []
    told.tell(10, classifier, labelled=False)
    assert told.states("concept_drift") == ["opened"]
    told.tell(40, classifier)
    assert told.states("concept_drift") == ["opened", "resolved"]


def test_nothing_escalates_that_waits_for_labels() -> None:
    told = story(**SOON, alerts={"escalate_after": "20m"}).tell(10, classifier)
    told.tell(8, classifier, wrong=0.4)
    told.labels = []
    told.tell(30, classifier, labelled=False)
    assert [a["monitor"] for a in told.alerts() if a["reason"] == "escalates"] == ["missing_labels"]


class Later(Feed):
    """Messages of one time, after all that they tell of."""

    def message(self, topic, value, timestamp_us=START_US + HOUR_US, key=None):
        return super().message(topic, value, timestamp_us, key)


def test_predictions_that_are_read_ahead_of_their_labels_lack_none() -> None:
    """After an outage the topics are read in any order: only a tick says that both have been."""

    told = Story(Run(Fleet(models=1, streams=20), clock="wall"), Later())
    told.run.apply(told.feed.definitions([define("m", baseline={"first": 1_500}, **SOON)]))
    told.tell(10, classifier, labelled=False)
    assert told.alerts() == []
    told.run.partition.tick(START_US + 11 * MINUTE_US)
    told.run.commit()
    assert told.states("missing_labels") == ["opened"]


def test_an_alert_about_labels_that_is_off_holds_nothing_back() -> None:
    off = {"missing_labels": {"enabled": False}}
    told = story(**SOON, monitors=off).tell(10, classifier).tell(10, classifier, labelled=False)
    assert told.alerts() == []
    assert told.run.partition.models["m"].judge.labels.missing == set()


def test_metrics_that_are_published_without_labels_do_not_rest_on_them() -> None:
    told = story().tell(8, classifier, labelled=False).tell(8, classifier)
    told.run.finish()
    published = told.run.records(METRICS)
    without = {r["metric"] for r in published if not r["coverage"] and r["value"] is not None}
    with_them = {r["metric"] for r in published} - without
    assert not any(map(rests_on_labels, without))
    about_labels = {"label_coverage", "label_lag_p50_s"}
    estimated = {name for name in NAMES if name.startswith("estimated_")}
    assert all(map(rests_on_labels, with_them - about_labels - estimated))
    assert {"accuracy", "roc_auc", "equalized_odds_difference", "adwin_changes"} <= with_them


def test_what_rests_on_labels_is_held_back_and_nothing_else() -> None:
    names = ("accuracy", "latency_p99_ms", "label_coverage", "estimated_accuracy", "f2")
    limits = {name: {"max": 1} for name in names} | {"hddm_w": {}, "label_drift": {"enabled": False}}
    own = {"f2": {"metric": "river.metrics.FBeta"}}
    definition = MonitorDefinition(model="m", task="binary", metrics=own, monitors=limits)
    assert list(held_back(definition, compared=True)) == [
        "concept_drift", "estimate_gap", "hddm_w", "accuracy", "f2", "comparison",
    ]  # fmt: skip
    assert sum(map(rests_on_labels, BUILT_IN)) == 11


def test_labels_are_expected_within_the_time_that_they_count() -> None:
    with pytest.raises(ValueError, match="later ones find no prediction"):
        Labels(ttl="1h", expected_within="2h")


Lag = Callable[[np.random.Generator, Floats], Floats]


def hours_late(mean: float) -> Lag:
    return lambda rng, sent: sent + rng.exponential(mean, len(sent))


def every_night(rng: np.random.Generator, sent: Floats) -> Floats:
    """At two o'clock, those of the calendar day before, give or take half an hour."""
    return (sent // 24 + 1) * 24 + 2 + rng.uniform(-0.5, 0.5)


def watched(lag: Lag, days: int, ends: float, ttl: str = "3d", share: float = 1.0) -> tuple[list[float], Any]:
    """The hours at which labels are missing, of a quarter of an hour's windows of 40 predictions."""
    rng, watch, terms = np.random.default_rng(5), LabelWatch(), Labels(ttl=ttl)
    step_us = HOUR_US // 4
    windows: list[tuple[Window, Floats]] = []
    missing, covered = [], set[int]()
    for number in range(4 * 24 * days):
        window = Window(number * step_us, (number + 1) * step_us, True)
        window.bags[ALL].n = 40
        comes = lag(rng, np.full(40, number / 4) + rng.random(40) / 4)
        comes = np.where((comes > ends) | (rng.random(40) > share), np.inf, comes)
        windows.append((window, np.sort(comes)))
        now_us = window.end_us
        windows = [(w, c) for w, c in windows if w.end_us > now_us - terms.ttl]
        for each, times in windows:
            each.bags[ALL].labelled = int(np.searchsorted(times, now_us / HOUR_US))
            if each.bags[ALL].labelled >= 20 and each.start_us not in covered:
                covered.add(each.start_us)
                watch.covered(now_us - each.end_us, now_us, step_us)
        if watch.look("7", [w for w, _ in windows], now_us, terms) is not None:
            missing.append(now_us / HOUR_US)
        watch.looked_us = now_us
    return missing, watch


@pytest.mark.parametrize("lag", [hours_late(0.01), hours_late(6), every_night])
@pytest.mark.parametrize("share", [1.0, 0.6, 0.5])
def test_labels_that_come_as_they_used_to_are_never_missed_and_the_end_of_them_is(lag, share) -> None:
    missing, watch = watched(lag, 9, ends=6 * 24, share=share)
    assert missing, "nobody noticed"
    expected_h = watch.expected_us(9 * DAY_US, Labels(ttl="3d")) / HOUR_US
    assert min(missing) > 6 * 24
    assert min(missing) < 6 * 24 + expected_h + 24 + 2
    state = json.loads(json.dumps(watch.to_state()))
    again = LabelWatch()
    again.load(state)
    assert again.to_state() == state


def test_a_model_whose_labels_never_were_enough_misses_none() -> None:
    assert watched(hours_late(1), 5, ends=1_000, share=0.3)[0] == []


def test_a_late_night_is_missed_until_its_labels_come() -> None:
    def one_late(rng: np.random.Generator, sent: Floats) -> Floats:
        return every_night(rng, sent) + np.where(sent // 24 == 4, 20.0, 0.0)

    missing, _ = watched(one_late, 9, ends=1_000)
    assert missing
    assert min(missing) > 5 * 24 + 2
    assert max(missing) < 5 * 24 + 2 + 20 + 1


def test_a_new_model_that_could_not_be_judged_is_asked_for_when_labels_are_back() -> None:
    every = {"on": [], "every": "20m", "min_labels": 100, "cooldown": "1m"}
    told = story(**SOON, retrain=every).tell(10, classifier)
    told.labels = []
    told.tell(20, classifier, labelled=False)
    assert told.states("missing_labels") == ["opened"]
    assert told.run.records(RETRAIN_REQUESTS) == []
    assert told.states("retrain_blocked") == ["opened"]
    assert "missing_labels" in told.run.partition.models["m"].retrain.held.why
    told.tell(15, classifier)
    assert told.states("retrain_blocked") == ["opened", "resolved"]
    assert len(told.run.records(RETRAIN_REQUESTS)) == 1

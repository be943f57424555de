"""The budget: who is paid when, by which weight; and that it does not show how events were cut."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from streamgauge.detectors.checks import same
from streamgauge.detectors.evidence.alarm import Alarm
from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS, Message
from streamgauge.schemas.monitor import Fleet, MonitorDefinition
from streamgauge.streams.core import intake
from streamgauge.streams.core.findings import Finding
from streamgauge.streams.core.recent import Recent
from streamgauge.streams.core.rounds import that_count
from tests.core.scenario import SECOND_US, START_US, Feed, Run, Sent, define

#: So many false alarms are accepted that what is paid decides about alarms at once.
FLEET = Fleet.model_validate({"models": 1, "alert_budget": {"false_alarms": 1_000, "horizon": "1d"}})
N = 600


def definition(**changes: Any) -> MonitorDefinition:
    weights = {"drift": {"weight": 2}, "traffic": {"weight": 0.5}, "fairness": {"weight": 3}}
    labels = {"ttl": "1h", "min_coverage": 0.1}
    tolerance = {"demographic_parity_difference": 0.1, "demographic_parity_ratio": 0.8,
                 "equalized_odds_difference": 0.1, "predictive_parity_difference": 0.1}  # fmt: skip
    return define(
        "m", task="binary", pos_label="yes", baseline={"first": 200}, labels=labels,
        fairness={"tolerance": tolerance}, monitors=weights, **changes,
    )  # fmt: skip


def events(seed: int) -> Iterator[Sent]:
    """Two versions, one of them later; bursts and pauses; labels early and late; all goes wrong."""
    rng = np.random.default_rng(seed)
    now_us, labels = START_US, list[tuple[int, Sent]]()
    for number in range(N):
        pause_s = rng.choice([0, 1, 20, 200, 2_000], p=[0.5, 0.3, 0.15, 0.045, 0.005])
        now_us += int(pause_s) * SECOND_US + int(rng.integers(0, 1_000))
        wrong = number > N // 2
        version = "2" if number > 120 and rng.random() < 0.4 else "1"
        time_us = now_us - int(rng.integers(0, 5)) * SECOND_US
        features: dict[str, Any] = {"age": rng.normal(3.0 * wrong), "job": "abc"[int(rng.integers(0, 3))]}
        if wrong and rng.random() < 0.3:
            features = {"age": "old", "job": "new", "size": 1.0}
        said, true = rng.random() < 0.5, rng.random() < 0.5 + 0.4 * (not wrong)
        event: dict[str, Any] = {
            "prediction_id": str(number - (wrong and rng.random() < 0.1)), "model": "m", "version": version,
            "time": time_us, "prediction": "yes" if said else "no", "score": float(rng.random()),
            "features": features,
        }  # fmt: skip
        if number > 100:
            event["groups"] = {"sex": "f" if rng.random() < (0.9 if wrong == said else 0.2) else "m"}
        yield PREDICTIONS, event
        label = {"prediction_id": str(number + int(rng.choice([0, 0, 0, 1]))), "model": "m",
                 "time": time_us, "label": "yes" if said == true else "no"}  # fmt: skip
        labels.append((number + int(rng.integers(0, 40)), (GROUND_TRUTH, label)))
        for due in [one for one in labels if one[0] <= number]:
            labels.remove(due)
            yield due[1]


def messages(seed: int) -> list[Message]:
    feed = Feed()
    return [*feed.definitions([definition()]), *feed.singles(events(seed))]


Found = list[tuple[str, str, Any]]


def told(sent: Sequence[Message], cuts: Sequence[int], found: Found, restart: bool = False) -> list[Any]:
    """All that is paid and all evidence, after these messages came cut like this."""
    found.clear()
    run = Run(fleet=FLEET)
    for start, stop in pairwise(sorted({0, *cuts, len(sent)})):
        run.apply(sent[start:stop])
        if restart:
            run.commit()
            run.restart()
    model = run.partition.models["m"]
    state: list[Any] = [model.account.to_state(), model.intake.traffic.to_state()]
    for _, version in sorted(model.intake.versions.items()):
        watch = version.watch.to_state()
        del watch["recent"], watch["estimates"]["latest"]
        state.append(watch)
    return [*state, sorted(map(repr, found))]


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Found:
    """Every alarm of every stream."""
    alarms: Found = []
    alarm, report = Recent.alarm, Recent.report

    def note_alarm(self: Recent, monitor: str, name: str, one: Alarm) -> None:
        alarms.append((monitor, name, one))
        alarm(self, monitor, name, one)

    def note_finding(self: Recent, finding: Finding) -> None:
        alarms.append((finding.monitor, "", finding))
        report(self, finding)

    monkeypatch.setattr(Recent, "alarm", note_alarm)
    monkeypatch.setattr(Recent, "report", note_finding)
    return alarms


quick = settings(
    max_examples=4,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@quick
@given(st.integers(0, 10_000), st.lists(st.integers(1, 2 * N), max_size=40), st.booleans())
def test_however_events_are_cut_the_same_is_paid_and_the_same_found(
    found: Found, seed: int, cuts: list[int], restart: bool
) -> None:
    sent = messages(seed)
    whole = told(sent, [], found)
    assert found
    assert same(told(sent, cuts, found, restart), whole)


def test_one_by_one_events_find_what_they_find_at_once(found: Found) -> None:
    sent = messages(7)
    whole = told(sent, [], found)
    assert len({monitor for monitor, _, _ in found}) >= 4
    assert same(told(sent, range(len(sent)), found), whole)


@quick
@given(st.integers(0, 10_000), st.lists(st.integers(1, N), max_size=9))
def test_rounds_that_change_nothing_cut_evidence_and_nothing_else(
    found: Found, seed: int, cuts: list[int]
) -> None:
    """Of one version without labels, once it is watched: then a batch of many minutes is applied as one."""
    feed, served, passed = Feed(), list[Sent](), list[int]()
    for event in (event for topic, event in events(seed) if topic == PREDICTIONS):
        age, job = event["features"]["age"], event["features"]["job"]
        features = {"age": 9.0 if age == "old" else age, "job": job}  # columns of one kind
        served.append((PREDICTIONS, {**event, "version": "1", "features": features}))
    sent = [*feed.definitions([definition()]), *feed.singles(served)]

    def note(begins: Sequence[int], *args: Any) -> tuple[Sequence[int], Sequence[int]]:
        some, others = that_count(begins, *args)
        passed.append(len(others))
        return some, others

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intake, "that_count", note)
        one_by_one = told(sent, range(len(sent)), found)
        assert found
        assert not any(passed)
        assert same(told(sent, [N // 2, *cuts], found), one_by_one)
        assert found
        assert sum(passed) > 10

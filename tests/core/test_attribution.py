"""What explains an alert: bins, segments, the prediction, and what changed at the same time."""

import json
from typing import Any

import numpy as np
import pytest

from streamgauge.detectors.baseline import build_profile, categorical_profile
from streamgauge.schemas.batch import Categories
from streamgauge.schemas.control import AdoptBaseline
from streamgauge.streams.core.attribution import (
    MOST_BINS,
    MOST_COINCIDENCES,
    MOST_SEGMENTS,
    Attribution,
    Bin,
    Carrier,
    Coincidence,
    Shift,
)
from streamgauge.streams.core.carriers import carrying
from streamgauge.streams.core.latest import MOST, LatestRows
from streamgauge.streams.core.moved import moved_bins
from streamgauge.streams.core.wording import in_words, where
from tests.core.scenario import START_US
from tests.core.test_partition_alerts import Columns, Rng, Story, classifier, story

COUNTRIES = ("NO", "SE", "DK")


def by_country(
    rng: Rng,
    n: int,
    older: tuple[float, ...] = (0, 0, 0),
    wrong: tuple[float, ...] = (0.1,) * 3,
    **change: Any,
) -> Columns:
    """A classifier's columns with a country: how much older people are there, and how often it is wrong."""
    made = classifier(rng, n, **change)
    country = rng.integers(0, 3, n).astype(np.int32)
    made["segments"] = {"country": Categories(country, COUNTRIES)}
    made["features"]["age"] = made["features"]["age"] + np.array(older)[country]
    answer = made["prediction"].codes
    turned = rng.random(n) < np.array(wrong)[country]
    made["label"] = Categories((np.maximum(answer, 0) ^ turned).astype(np.int32), ("no", "yes"))
    return made


def opened(told: Story, monitor: str) -> dict[str, Any]:
    return next(alert for alert in told.alerts(monitor) if alert["state"] == "opened")


@pytest.fixture(scope="module")
def older_in_norway() -> Story:
    return story(by_country).tell(7, by_country).tell(3, by_country, older=(20, 0, 0))


def test_a_feature_says_which_values_gained_and_lost(older_in_norway: Story) -> None:
    [age] = opened(older_in_norway, "drift")["contributors"]
    assert (age["feature"], age["direction"]) == ("age", "up")
    most = age["bins"][0]
    assert most["bin"].startswith("above ")
    assert most["value"] - most["baseline"] > 0.1
    assert sum(each["value"] - each["baseline"] for each in age["bins"]) == pytest.approx(0.0, abs=0.1)


def test_the_segment_that_carries_a_change_is_named(older_in_norway: Story) -> None:
    alert = opened(older_in_norway, "drift")
    [carrier] = alert["carried_by"]
    assert carrier["segment"] == {"country": "NO"}
    assert carrier["share"] > 0.7
    assert "; carried by country=NO; the prediction did not move" in alert["summary"]
    assert alert["prediction_shift"]["moved"] is False
    assert alert["coincidences"] == []


def test_what_moves_everywhere_is_carried_by_no_segment() -> None:
    told = story(by_country).tell(7, by_country).tell(3, by_country, older=(20, 20, 20))
    alert = opened(told, "drift")
    assert alert["carried_by"] == []
    assert "; alike in all segments; " in alert["summary"]


def test_without_segments_none_is_asked_for(older_in_norway: Story) -> None:
    told = story().tell(7, classifier).tell(3, classifier, age=60.0)
    assert opened(told, "drift")["carried_by"] is None
    assert len(next(iter(told.run.partition.models.values())).intake.versions["7"].latest) == 0
    assert len(next(iter(older_in_norway.run.partition.models.values())).intake.versions["7"].latest) == MOST


def test_errors_are_carried_by_a_segment_too() -> None:
    told = story(by_country).tell(12, by_country).tell(6, by_country, wrong=(0.6, 0.1, 0.1))
    [carrier] = opened(told, "concept_drift")["carried_by"]
    assert carrier["segment"] == {"country": "NO"}


def test_a_prediction_that_moves_with_its_inputs_is_told_as_one_story() -> None:
    told = story().tell(7, classifier).tell(4, classifier, age=60.0, share=0.8)
    alerts = [alert for alert in told.alerts() if alert["state"] == "opened"]
    assert [alert["monitor"] for alert in alerts] == ["drift"]
    assert alerts[0]["prediction_shift"]["moved"] is True
    last = told.alerts("drift")[-1]
    assert "prediction_drift" in [each["monitor"] for each in last["related"]]


def test_what_changed_at_the_same_time_is_named() -> None:
    def typed(rng: Rng, n: int, **change: Any) -> Columns:
        made = classifier(rng, n, **change)
        made["features"]["city"] = Categories(np.zeros(n, np.int32), ("Oslo",))
        return made

    told = story().tell(7, classifier).tell(3, typed, age=60.0)
    seen = {(each["kind"], each["name"]) for alert in told.alerts("drift") for each in alert["coincidences"]}
    seen |= {(c["feature"], "data_quality") for a in told.alerts("data_quality") for c in a["contributors"]}
    assert {("appeared", "city"), ("city", "data_quality")} & seen


def test_a_version_that_took_over_is_named_by_the_alerts_of_both() -> None:
    """Version 8 begins with the baseline of 7, and its applicants are older."""
    told = story(baseline={"version": "7"}).tell(20, classifier)
    told.tell(3, classifier, version="8", age=60.0)
    alert = opened(told, "drift")
    assert alert["version"] == "8"
    started = next(each for each in alert["coincidences"] if each["kind"] == "version_started")
    assert started["name"] == "8"
    assert "version 8 started" in alert["summary"]


@pytest.mark.slow
def test_explanations_are_the_same_after_a_restart() -> None:
    def run(restarts: bool) -> list[Any]:
        told = story(by_country)
        for window in range(10):
            told.tell(1, by_country, older=(20, 0, 0) if window >= 7 else (0, 0, 0))
            if restarts:
                told.run.restart()
        return told.alerts()

    assert json.dumps(run(True)) == json.dumps(run(False))


def test_another_baseline_forgets_the_latest_rows() -> None:
    """They are bins of the old one, which may have had other features."""
    told = story(by_country).tell(7, by_country)
    model = told.run.partition.models["m"]
    assert len(model.intake.versions["7"].latest) == MOST
    ages, jobs = (
        np.random.default_rng(1).normal(40, 10, 2_000),
        Categories.of(["clerk", "cook", "vet", "vet"] * 500),
    )
    other = build_profile({"age": ages, "job": jobs}).to_json()
    order = AdoptBaseline(actor="kari", time_us=START_US, model="m", document=other)
    told.run.apply(told.feed.control(order))
    assert len(model.intake.versions["7"].latest) == 0
    told.tell(3, by_country, older=(20, 0, 0))
    assert opened(told, "drift")["carried_by"][0]["segment"] == {"country": "NO"}


def test_an_attribution_is_bounded_and_survives_its_snapshot() -> None:
    bins = {"age": tuple(Bin(str(i), 0.1, 0.2) for i in range(MOST_BINS))}
    carried = tuple(Carrier((("country", str(i)),), 0.9) for i in range(MOST_SEGMENTS))
    coincidences = tuple(Coincidence("missing", str(i), None, 0.2, 0.1) for i in range(MOST_COINCIDENCES))
    shift = Shift("score", moved=True, direction="down", size=-0.2)
    for attribution in (
        Attribution({}),
        Attribution({}, ()),
        Attribution(bins, carried, shift, coincidences),
    ):
        assert Attribution.from_state(json.loads(json.dumps(attribution.to_state()))) == attribution


def test_categories_are_bins_and_unseen_ones_are_one() -> None:
    profile = categorical_profile(Categories.of(["a"] * 60 + ["b"] * 40))
    assert profile is not None
    counts = np.array([30.0, 40.0, 30.0, 5.0])  # a, b, unseen, missing
    assert moved_bins(profile, counts) == (Bin("a", 0.6, 0.3), Bin("unseen", 0.0, 0.3))
    assert moved_bins(profile, counts / 10) == (), "too few"


def test_a_segment_that_leaves_too_few_to_tell_is_not_named() -> None:
    norway = (("country", "NO"),)
    assert carrying((0.4, 0.05, 400), [(norway, (0.0, 0.2, 29))]) == ()
    assert carrying((0.4, 0.05, 400), [(norway, (0.0, 0.2, 395))]) == ()
    assert carrying((0.4, 0.05, 39), []) is None
    assert carrying((0.4, 0.05, 400), [(norway, (0.3, 0.2, 200))]) == (), "most of it is left"


def test_latest_rows_are_the_same_wherever_batches_are_cut() -> None:
    rng = np.random.default_rng(1)
    n = 3 * MOST
    time, codes = np.arange(n), rng.integers(0, 20, (3, n)).astype(np.int16)
    slots = {"country": rng.integers(0, 3, n)}
    whole = LatestRows()
    whole.add(time, codes, slots)
    for cuts in ([MOST // 2], [1, 2, 3, 700], list(range(0, n, 7))):
        cut = LatestRows()
        for part in np.split(time, cuts):
            if len(part):
                cut.add(part, codes[:, part], {"country": slots["country"][part]})
        for mine, theirs in zip(cut.since(0)[:2], whole.since(0)[:2], strict=True):
            assert (mine == theirs).all()
        assert (cut.since(0)[2]["country"] == whole.since(0)[2]["country"]).all()
        assert len(cut) == MOST


@pytest.mark.parametrize(
    ("attribution", "words"),
    [
        (Attribution({}, (Carrier((("country", "NO"), ("plan", "a")), 1.0),)),
         ["carried by country=NO and plan=a"]),
        (Attribution({}, ()), ["alike in all segments"]),
        (Attribution({}, None, Shift("prediction", True, "approved up", 0.1)),
         ["the rate of approved moved with it, up"]),
        (Attribution({}, None, Shift("score", True, "down", -0.3)), ["the score moved with it, down"]),
        (Attribution({}, None, Shift("score", False)), ["the prediction did not move"]),
        (Attribution({}, None, None, (Coincidence("version_started", "8", 0),)),
         ["3 min after version 8 started"]),
        (Attribution({}, None, None, (Coincidence("version_stopped", "7", 240_000_000),)),
         ["1 min before version 7 stopped"]),
        (Attribution({}, None, None, (Coincidence("version_started", "8", 180_000_000),)),
         ["as version 8 started"]),
        (Attribution({}, None, None, (Coincidence("traffic", "throughput_per_s", None, 21.0, 10.0),)),
         ["traffic 2.1 times what it was"]),
        (Attribution({}, None, None, (Coincidence("missing", "job", None, 0.2, 0.02),)),
         ["job missing in 20 %, was 2 %"]),
        (Attribution({}, None, None, (Coincidence("wrong_type", "job"), Coincidence("appeared", "fax"))),
         ["job of another type", "fax new"]),
    ],
)  # fmt: skip
def test_explanations_in_words(attribution: Attribution, words: list[str]) -> None:
    assert list(in_words(attribution, since_us=180_000_000)) == words


def test_where_a_feature_went_is_said_in_brackets() -> None:
    fallen = Attribution({"age": (Bin("up to 18", 0.5, 0.1), Bin("18 to 35", 0.2, 0.18))})
    assert where(fallen, "age") == " (up to 18: 50 % → 10 %)"
    assert where(fallen, "job") == where(Attribution({"age": (Bin("all", 1.0, 1.0),)}), "age") == ""


def test_bins_that_differ_by_chance_alone_are_not_told() -> None:
    rng = np.random.default_rng(4)
    rows = build_profile({"age": rng.normal(size=5_000)}).features["age"]
    alike = [
        moved_bins(rows, np.append(rng.multinomial(200, np.full(20, 0.05)), [0, 30])) for _ in range(200)
    ]
    assert sum(map(bool, alike)) <= 10, "twenty bins, in neighbouring ones of which chance may add up"
    [gained, *_] = moved_bins(
        rows, np.append(rng.multinomial(200, np.repeat([0.04, 0.16], [18, 2]) / 1.04), [0, 30])
    )
    assert gained.bin.startswith("above")

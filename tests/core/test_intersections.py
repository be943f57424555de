"""Intersections of protected attributes: seen where no attribute alone shows anything, named, and counted."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from streamgauge.schemas.batch import Categories
from streamgauge.schemas.message import METRICS
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.streams.core.names import Names
from tests.core.test_partition_alerts import Columns, Rng, Story, classifier, story

ASKED = {"fairness": {"groups": ["sex", "age"], "intersections": True, "min_n": 20}}


def crossed(rng: Rng, n: int, *, gap: float = 0.0) -> Columns:
    """Neither sex nor age makes a difference; being both young and a woman, or neither, does."""
    columns = classifier(rng, n)
    sex, age = columns["groups"]["sex"].codes, rng.integers(0, 2, n)
    selected = rng.random(n) < 0.5 + gap * np.where(sex == age, 0.5, -0.5)
    columns["prediction"] = Categories(selected.astype(np.int32), ("no", "yes"))
    columns["groups"]["age"] = Categories(age.astype(np.int32), ("young", "old"))
    columns["groups"]["age"].codes[:3] = -1
    return columns


def told(**definition: Any) -> Story:
    return story(crossed, **definition).tell(15, crossed).tell(10, crossed, gap=0.6)


def test_a_combination_that_is_treated_otherwise_is_seen_and_its_groups_are_named() -> None:
    [opened] = [a for a in told(**ASKED).alerts("fairness") if a["state"] == "opened"]
    more, less = opened["contributors"][:2]
    assert (more["direction"], less["direction"]) == ("up", "down")
    assert {more["group"], less["group"]} <= {
        f"age & sex={age} & {sex}" for age in ("young", "old") for sex in ("f", "m")
    }
    assert more["group"] in ("age & sex=young & f", "age & sex=old & m")
    assert opened["value"] == pytest.approx(0.6, abs=0.15)
    assert opened["low"] < opened["value"] < opened["high"]
    assert "age & sex=" in opened["summary"]


def test_no_attribute_alone_shows_it() -> None:
    assert told(fairness={"groups": ["sex", "age"], "min_n": 20}).alerts("fairness") == []


def test_groups_with_too_few_events_are_listed_with_their_count() -> None:
    records = told(fairness=ASKED["fairness"] | {"min_n": 90}).run.finish().records(METRICS)
    rates = {r["group"]: r for r in records if r["metric"] == "selection_rate"}
    assert rates["sex=f"]["value"] is not None
    small = rates["age & sex=young & f"]
    assert small["value"] is None
    assert 40 < small["n"] < 90


@pytest.mark.slow
def test_an_alert_about_groups_survives_a_restart_bit_for_bit() -> None:
    steady, interrupted = story(crossed, **ASKED), story(crossed, **ASKED)
    for run in (steady, interrupted):
        run.tell(15, crossed).tell(3, crossed, gap=0.6)
    interrupted.run.restart()
    for run in (steady, interrupted):
        run.tell(5, crossed, gap=0.6)
    assert interrupted.run.outputs == steady.run.outputs
    assert interrupted.run.state == steady.run.state


def test_four_attributes_have_eleven_combinations_and_a_value_that_is_missing_none() -> None:
    names = Names()
    codes = {
        key: names.groups.setdefault(key, names.versions).codes(Categories.of(["x", None])) for key in "dcba"
    }
    found = names.crossed(codes)
    assert len(found) == 11
    assert found["a & b & c & d"].tolist() == [0, -1]
    assert names.group_words["a & b"] == ["x & x"]


def test_more_attributes_than_four_are_refused() -> None:
    with pytest.raises(ValidationError, match="at most 4 groups"):
        MonitorDefinition(model="m", fairness={"groups": list("abcde"), "intersections": True})

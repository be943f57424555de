"""What would change: every field that differs, no field that does not."""

from typing import Any

import pytest

from streamgauge.schemas.monitor import Fleet, MonitorDefinition
from streamgauge.streams.differences import differences


def define(**changes: Any) -> MonitorDefinition:
    return MonitorDefinition.model_validate({"model": "credit", **changes})


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "nothing": ({"window": "5m"}, {}, []),
    "a field": ({}, {"window": "10m"}, ["window: 5m → 10m"]),
    "a field of a part": ({"labels": {"ttl": "7d"}}, {}, ["labels.ttl: 7d → 1d"]),
    "a list": ({}, {"retrain": {"on": ["drift"]}}, ["retrain.on: [concept_drift, accuracy] → [drift]"]),
    "a value where there was none": ({}, {"task": "binary"}, ["task: none → binary"]),
    "a new monitor": ({}, {"monitors": {"accuracy": {"min": 0.8}}}, ["monitors.accuracy.min: none → 0.8"]),
    "a monitor that only has to be named": ({}, {"monitors": {"adwin": {}}}, ["monitors.adwin: none → {}"]),
    "a monitor no more": (
        {"monitors": {"drift": {"enabled": False}}},
        {},
        ["monitors.drift.enabled: false → none"],
    ),
    "a monitor's rule": (
        {"monitors": {"drift": {}}},
        {"monitors": {"drift": {"enabled": False}}},
        ["monitors.drift.enabled: true → false"],
    ),
    "a declared feature": (
        {},
        {"features": {"age": {"kind": "numeric"}}},
        ["features.age.kind: none → numeric"],
    ),
}


@pytest.mark.parametrize(("held", "wanted", "said"), CASES.values(), ids=CASES)
def test_differences_are_told_field_by_field(held: Any, wanted: Any, said: list[str]) -> None:
    assert list(map(str, differences(define(**held), define(**wanted)))) == said


def test_what_is_held_is_compared_as_it_was_stored() -> None:
    wanted = define(window="90s", monitors={"accuracy": {"min": 0.8}}, fairness={"groups": ["sex"]})
    assert differences(MonitorDefinition.model_validate_json(wanted.model_dump_json()), wanted) == []


def test_fleets_are_compared_with_their_defaults() -> None:
    changes = differences(Fleet(), Fleet(models=3, defaults={"window": "10m"}))
    assert list(map(str, changes)) == ["models: 100 → 3", "defaults.window: none → 10m"]

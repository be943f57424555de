"""Which alerts go where."""

import pytest

from streamgauge.notify.config import Match, Route
from streamgauge.notify.core.book import route_of
from tests.notify.alerts import step

ALERT = step(
    model="credit-eu", version="7", monitor="drift", severity="warning", segment={"country": "NO"},
    route="risk-team",
)  # fmt: skip


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        ({}, True),
        ({"model": "credit-eu"}, True),
        ({"model": "credit"}, False),
        ({"model": "credit*"}, True),
        ({"model": ["churn", "credit-??"]}, True),
        ({"version": "7", "monitor": "drift"}, True),
        ({"version": "8", "monitor": "drift"}, False),
        ({"severity": "warning"}, True),
        ({"severity": ["info", "critical"]}, False),
        ({"route": "risk-*"}, True),
        ({"route": ["pager", "risk-team"]}, True),
        ({"route": "pager"}, False),
        ({"segment": {}}, True),
        ({"segment": {"country": "NO"}}, True),
        ({"segment": {"country": ["SE", "NO"]}}, True),
        ({"segment": {"country": "*"}}, True),
        ({"segment": {"country": "SE"}}, False),
        ({"segment": {"device": "*"}}, False),
        ({"segment": {"country": "NO", "device": "*"}}, False),
    ],
)
def test_all_that_is_given_must_fit(match, fits):
    assert Match.model_validate(match).fits(ALERT) is fits


def test_an_alert_without_a_routing_key_fits_no_route_that_wants_one():
    assert not Match.model_validate({"route": "*"}).fits(step())


@pytest.mark.parametrize(
    ("routes", "numbers"),
    [
        ([{"to": "a"}, {"to": "b"}], {"a": 0}),
        ([{"to": "a", "continue": True}, {"to": "b"}, {"to": "c"}], {"a": 0, "b": 1}),
        ([{"to": "a", "match": {"model": "x"}}, {"to": "b"}], {"b": 1}),
        ([{"to": ["a", "b"], "continue": True}, {"to": ["b", "c"]}], {"a": 0, "b": 0, "c": 1}),
        ([{"to": "a", "match": {"model": "x"}, "continue": True}], {}),
    ],
)
def test_the_first_route_that_fits_is_taken_and_with_continue_those_after_it(routes, numbers):
    made = [Route.model_validate(route) for route in routes]
    found = {target: route_of(target, made, ALERT) for target in "abc"}
    assert {target: each[0] for target, each in found.items() if each is not None} == numbers

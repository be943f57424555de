"""Alerts link to their runbook: the rule's own, else the monitor's page where a definition says they lie."""

import pytest
from pydantic import ValidationError

from streamgauge.schemas.monitor import MonitorDefinition

BASE = "https://wiki.example.org/runbooks/{page}.html"


def definition(**given: object) -> MonitorDefinition:
    return MonitorDefinition.model_validate({"model": "credit", **given})


def test_every_rule_has_the_page_of_its_monitor_unless_it_has_its_own() -> None:
    own = "https://example.org/drift"
    found = definition(
        alerts={"runbooks": BASE}, monitors={"drift": {"runbook_url": own}, "accuracy": {"min": 0.8}}
    )
    pages = {name: found.rule(name).runbook_url for name in ("drift", "fairness", "accuracy", "adwin")}
    assert pages == {
        "drift": own,
        "fairness": BASE.replace("{page}", "fairness"),
        "accuracy": BASE.replace("{page}", "limit"),
        "adwin": BASE.replace("{page}", "error_detector"),
    }
    assert found.rule("accuracy").min == 0.8


def test_without_a_place_there_is_no_link() -> None:
    assert definition().rule("drift").runbook_url is None


@pytest.mark.parametrize(
    "wrong", ["https://wiki.example.org", "ftp://x/{page}", "https://x y/{page}", "{page}"]
)
def test_a_place_is_a_url_with_room_for_the_page(wrong: str) -> None:
    with pytest.raises(ValidationError, match=r"alerts\.runbooks"):
        definition(alerts={"runbooks": wrong})

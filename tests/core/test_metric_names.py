"""The list of metrics that a definition may set limits on is the list of metrics that are published."""

import pytest

from streamgauge.schemas.message import METRICS
from streamgauge.schemas.monitor_names import ERROR_DETECTORS, EVIDENCE, WITHOUT_INTERVAL
from streamgauge.schemas.monitor_names import METRICS as NAMES
from tests.core.test_partition_alerts import classifier, regressor, story
from tests.core.test_rankings import RANKING, ranker


@pytest.mark.slow
def test_every_metric_that_is_published_can_have_a_limit_and_no_other() -> None:
    published: set[str] = set()
    valued: set[str] = set()
    bounded: set[str] = set()
    every: dict[str, dict[str, object]] = {name: {} for name in ERROR_DETECTORS}
    definition = {"features": {"age": {"min": 0, "max": 90}}, "monitors": every}
    kinds = (
        (classifier, {}),
        (classifier, {"task": "multiclass", "pos_label": None}),
        (regressor, {}),
        (ranker, RANKING),
    )
    for columns, task in kinds:
        told = story(columns, **definition, **task).tell(15, columns)
        records = told.run.finish().records(METRICS)
        published |= {record["metric"] for record in records}
        valued |= {each["metric"] for each in records if each["value"] is not None}
        bounded |= {each["metric"] for each in records if each["low"] is not None}
    assert published == NAMES
    assert valued - bounded == WITHOUT_INTERVAL


def test_evidence_is_what_a_version_that_knows_all_is_watched_by() -> None:
    told = story().tell(15, classifier)
    [version] = told.run.partition.models["m"].intake.versions.values()
    assert {"concept_drift", "fairness"} <= set(EVIDENCE)
    assert set(version.watch.quiet_monitors()) == set(EVIDENCE) - {"traffic"}

"""What the alert book and the retrain policy write is what subscribers read, in both encodings."""

import pytest

from streamgauge.schemas.encode import decode_output, encode_output
from streamgauge.schemas.monitor import MonitorDefinition, Rule
from streamgauge.streams.core.alert_context import AlertContext
from streamgauge.streams.core.alerts import AlertBook
from streamgauge.streams.core.findings import Contributor, Finding, OffsetRange
from streamgauge.streams.core.retrain import RetrainPolicy
from streamgauge.streams.core.retrain_guards import TrainingData

NOW = 1_795_255_200_000_000
FULL = Finding(
    "concept_drift",
    "zero_one_loss",
    "critical",
    value=0.21,
    low=0.18,
    high=0.24,
    baseline=0.1,
    limit=0.2,
    evidence=1.6,
    evidence_threshold=1.0,
    n=3200,
    onset_us=NOW - 1,
    contributors=(Contributor("age", 0.7, "up", 0.4), Contributor(None, None, None, None, "sex=f")),
    segment=(("country", "NO"),),
    offsets=(OffsetRange("streamgauge.predictions", 5, 1200, 4400),),
)
BARE = Finding("concept_drift", "zero_one_loss", "info")


@pytest.mark.parametrize("encoding", ["json", "avro"])
@pytest.mark.parametrize("finding", [FULL, BARE])
def test_records_survive_the_wire(finding, encoding):
    definition = MonitorDefinition.model_validate({"model": "credit", "retrain": {"min_labels": 0}})
    context = AlertContext.of(definition, "sha256:b", "streamgauge 0.1.0")
    book, policy = AlertBook("credit"), RetrainPolicy("credit")
    rule = Rule(runbook_url="https://runbooks.example/drift") if finding is FULL else None
    alerts = book.observe("7", finding.monitor, finding.segment, finding, NOW, rule, context)
    data = (
        TrainingData(NOW - 1, NOW, 10, 0.5, finding.offsets)
        if finding is FULL
        else TrainingData(None, None, 0)
    )
    requests = policy.consider("7", alerts, data, NOW, definition)
    requests += policy.tick(NOW + definition.retrain.expiry)
    assert [len(alerts), len(requests)] == [1, 2]
    for output in (*alerts, *requests):
        assert decode_output(*encode_output(output, encoding)) == output.record

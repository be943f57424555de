"""`streamgauge send` on a real broker: what Kafka does not take is counted, and told."""

import json
import random
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from streamgauge.cli.main import main
from streamgauge.schemas.message import PREDICTIONS

pytestmark = pytest.mark.kafka


def test_what_a_broker_refuses_is_counted(
    broker: str, prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    topic = NewTopic(prefix + PREDICTIONS, 1, config={"max.message.bytes": "1000"})
    admin = AdminClient({"bootstrap.servers": broker})
    admin.create_topics([topic])[topic.topic].result()
    incompressible = random.Random(1).randbytes(5_000).hex()
    line = {"model": "m", "prediction_id": "1", "prediction": incompressible}
    file = tmp_path / "predictions.jsonl"
    file.write_text(json.dumps(line))
    arguments = [str(file), "--json", "--bootstrap-servers", broker, "--topic-prefix", prefix]
    assert main(["send", PREDICTIONS, *arguments]) == 1
    assert json.loads(capsys.readouterr().out) == {"sent": 0, "left_out": 0, "failed": 1}


def test_a_topic_that_is_missing_is_told_at_once(
    broker: str, prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "predictions.jsonl"
    file.write_text('{"model": "m", "prediction_id": "1"}\n')
    arguments = [str(file), "--bootstrap-servers", broker, "--topic-prefix", prefix]
    assert main(["send", PREDICTIONS, *arguments]) == 1
    assert "run `streamgauge topics create`" in capsys.readouterr().err

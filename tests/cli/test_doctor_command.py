"""`streamgauge doctor` without a cluster: sizing, and what it says when Kafka is down."""

import json
import re
from pathlib import Path

import pytest

from streamgauge.cli.main import main


def test_a_file_of_definitions_is_sized(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "monitors.yaml"
    file.write_text(
        "models: 2\n---\nmodel: credit\nlabels: {ttl: 1h}\n---\nmodel: prices\nlabels: {ttl: 90d}\n"
    )
    assert main(["doctor", "--rate", "50", "--monitors", str(file), "--features", "12"]) == 0
    credit, prices, advice, total, memory, _ = capsys.readouterr().out.splitlines()
    assert credit.startswith("ok    sizing       credit: ")
    assert "180,000 predictions that a label can still reach" in credit
    assert prices.startswith("warn  sizing       prices: ")
    assert "shorten labels.ttl" in advice
    assert total.startswith("ok    sizing       all 2 models: ")
    assert memory.startswith("warn  memory ")
    assert "is not kept without STREAMGAUGE_STATE_DIR" in memory


def test_a_bound_of_memory_is_compared_with_what_cannot_leave_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMGAUGE_STATE_DIR", str(tmp_path))

    def said(rate: str, bound: str) -> str:
        monkeypatch.setenv("STREAMGAUGE_MAX_MEMORY", bound)
        assert main(["doctor", "--rate", rate]) == 0
        return capsys.readouterr().out.split("memory", 1)[1]

    assert "these models take" in said("10", "1GB")
    enough = re.search(r"raise it to ([\d.]+ GiB)", said("500", "1GB"))
    assert enough is not None
    assert "raise it" not in said("500", enough[1].replace(" ", ""))


def test_sizing_needs_a_rate(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--features", "12"]) == 1
    assert "say its --rate" in capsys.readouterr().err


def test_a_kafka_that_is_down_is_the_only_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--bootstrap-servers", "127.0.0.1:1", "--json"]) == 1
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (line["check"], line["status"]) == ("broker", "fail")
    assert "Connection refused" in line["what"]
    assert "start Kafka" in line["advice"]

"""What operators do, with a worker on a real broker: apply, list, retire."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from streamgauge.schemas.message import DEAD_LETTERS, PREDICTIONS, STATE
from tests.harness import Command, WorkerProcess, create_topics, read_topic, wait_until

pytestmark = pytest.mark.kafka
DEFINITION = "model: credit\ntask: binary\npos_label: 'yes'\nwindow: {window}\nbaseline: {{first: 200}}\n"


@pytest.fixture
def worker(broker: str, prefix: str, tmp_path: Path) -> Iterator[WorkerProcess]:
    create_topics(broker, prefix, partitions=2)
    log = tmp_path / "worker.log"
    with WorkerProcess(broker, prefix, log, module="streamgauge", arguments=["worker"]) as running:
        running.wait_ready()
        yield running


def predict(broker: str, prefix: str, count: int, *, aborted: bool = False, **more: Any) -> None:
    settings = {"bootstrap.servers": broker, "linger.ms": 100, "partitioner": "murmur2_random"}
    producer = Producer(settings | ({"transactional.id": f"{prefix}app"} if aborted else {}))
    if aborted:
        producer.init_transactions(60)
        producer.begin_transaction()
    for n in range(count):
        event = {
            "prediction_id": f"p{n}-{time.time_ns()}", "model": "credit", "version": "7",
            "time": time.time_ns() // 1_000, "prediction": "yes" if n % 3 else "no",
            "features": {"age": n % 40}, **more,
        }  # fmt: skip
        producer.produce(prefix + PREDICTIONS, json.dumps(event), b"credit")
    assert producer.flush(60) == 0
    if aborted:
        producer.abort_transaction(60)


def test_a_definition_is_compared_sent_listed_and_retired(
    broker: str, prefix: str, worker: WorkerProcess, command: Command, tmp_path: Path
) -> None:
    file = tmp_path / "monitors.yaml"
    file.write_text("models: 3\n---\n" + DEFINITION.format(window="1m"))

    code, out, _ = command("monitors", "apply", str(file), "--dry-run")
    assert code == 0
    assert out.splitlines()[:2] == ["the fleet: 1 change", "  models: 100 → 3"]
    assert "credit: new\n  task: none → binary" in out
    assert "  window: 5m → 1m" in out
    assert out.splitlines()[-1] == "nothing was sent: this is a dry run"

    code, _, err = command("monitors", "apply", str(file))
    assert code == 1
    assert "add --yes" in err
    assert (
        command("monitors", "list")[1] == "no model is watched yet: has a worker run, and have events come?\n"
    )

    code, out, _ = command("monitors", "apply", str(file), "--yes", "--actor", "anna")
    assert code == 0
    assert out.endswith(f"{file}: sent; 1 model and the fleet document\n")
    predict(broker, prefix, 120)
    predict(broker, prefix, 10, aborted=True)  # never applied, and nothing that waits

    def listed() -> list[Any]:
        found = [json.loads(line) for line in command("monitors", "list", "--json")[1].splitlines()]
        return [model for model in found if model["versions"] and not sum(model["lag"].values())]

    (model,) = wait_until(listed, every=0.5, saying="the model is listed with its version")
    assert (model["model"], model["task"], model["pending"]) == ("credit", "binary", 120)
    monitors = {m["monitor"]: m for m in model["versions"][0]["monitors"]}
    assert monitors["drift"]["state"] == "learning"
    assert monitors["drift"]["why"] == "baseline: 120 of 200 predictions"
    code, out, _ = command("budget", "--json")
    assert code == 0
    assert json.loads(out.splitlines()[0])["model"] == "credit"
    assert command("compare")[:2] == (
        0, "nothing is compared: a definition names versions under `comparisons`\n",
    )  # fmt: skip
    assert "watch no model 'nobody'" in command("compare", "--model", "nobody")[2]
    text = command("monitors", "list", "--model", "credit")[1]
    assert "    learning  drift                  baseline: 120 of 200 predictions" in text
    assert "all records applied" in text
    assert "watches no model 'nobody'" not in text
    assert "watch no model 'nobody'" in command("monitors", "list", "--model", "nobody")[2]

    code, out, _ = command("monitors", "apply", str(file), "--yes")
    assert (code, out) == (
        0,
        "the fleet: no change\ncredit: no change\nnothing was sent: the workers hold all of it\n",
    )
    # While an order is on its way nobody can say what there will be, so this comes before the next one.
    assert "there are: credit" in command("monitors", "retire", "nobody", "--yes")[2]
    file.write_text(DEFINITION.format(window="2m"))
    code, out, _ = command("monitors", "apply", str(file), "--yes", "--json")
    assert json.loads(out) == {
        "file": str(file), "model": "credit", "new": False, "anew": True, "sent": True,
        "changes": [{"field": "window", "before": "1m", "after": "2m"}],
    }  # fmt: skip

    code, out, _ = command("monitors", "retire", "credit", "--yes", "--note", "replaced")
    assert code == 0
    assert out.startswith("credit: sent. If it still gets events")
    wait_until(lambda: not command("monitors", "list", "--json")[1], every=0.5, saying="its state is gone")
    last = {m.key(): m.value() for m in read_topic(broker, prefix + STATE)}
    assert {key for key, value in last.items() if value is not None} == {b'["applied"]', b'["fleet"]'}


def test_versions_that_a_definition_names_are_compared_and_anew_under_other_terms(
    broker: str, prefix: str, worker: WorkerProcess, command: Command, tmp_path: Path
) -> None:
    file = tmp_path / "monitors.yaml"
    terms = "comparisons: [{{champion: '7', challenger: '8', metrics: [failure_rate], share: {share}}}]\n"
    file.write_text(DEFINITION.format(window="1s") + terms.format(share=0.5))
    assert command("monitors", "apply", str(file), "--yes")[0] == 0

    def compared(count: int) -> Any:
        """As soon as so many predictions of each version count."""
        predict(broker, prefix, 60, version="7")
        predict(broker, prefix, 60, version="8")
        (found,) = [json.loads(line) for line in command("compare", "--json")[1].splitlines()]
        return found if min(found["predictions"].values(), default=0) >= count else None

    first = wait_until(lambda: compared(100), every=0.5, saying="both versions are counted")
    assert (first["champion"], first["challenger"], first["share"]) == ("7", "8", 0.5)
    (verdict,) = first["verdicts"]
    assert (verdict["metric"], verdict["word"]) == ("failure_rate", "undecided")
    assert verdict["why"].startswith("too few: ")
    text = command("compare", "--model", "credit")[1]
    assert text.startswith("credit: 8 (")
    assert "is declared: as declared, as far as can be told" in text

    file.write_text(DEFINITION.format(window="1s") + terms.format(share=0.4))
    code, out, _ = command("monitors", "apply", str(file), "--yes")
    assert code == 0
    assert "  → 8 is compared with 7 anew\n" in out
    again = wait_until(
        lambda: (found := compared(1)) and found["share"] == 0.4 and found, every=0.5, saying="it is anew"
    )
    assert again["since"] > first["since"]
    assert sum(again["predictions"].values()) < sum(first["predictions"].values()) + 120


def test_what_a_worker_has_not_applied_yet_is_told_and_sent_again(
    broker: str, prefix: str, command: Command, tmp_path: Path
) -> None:
    create_topics(broker, prefix, partitions=2)
    file = tmp_path / "monitors.yaml"
    file.write_text(DEFINITION.format(window="1m"))
    assert command("monitors", "apply", str(file), "--yes")[0] == 0
    code, out, err = command("monitors", "apply", str(file), "--yes")
    assert code == 0
    assert "1 control events before these are not applied yet: is a worker running?" in err
    assert out.endswith("sent; 1 model\n")


def test_a_baseline_is_built_named_by_a_definition_and_replaced_by_an_operator(
    broker: str, prefix: str, worker: WorkerProcess, command: Command, tmp_path: Path
) -> None:
    def reference(age: int) -> str:
        rows = [
            {"prediction_id": f"r{n}", "model": "credit", "version": "6", "time": 1_795_255_200_000_000 + n,
             "prediction": "yes" if n % 3 else "no", "features": {"age": n % 40 + age}}
            for n in range(1_000)
        ]  # fmt: skip
        (tmp_path / "reference.jsonl").write_text("\n".join(map(json.dumps, rows)))
        words = ["--predictions", str(tmp_path / "reference.jsonl"), "--out", str(tmp_path / "credit.json")]
        code, out, _ = command("baseline", "build", *words, "--json")
        assert code == 0
        found: str = json.loads(out)["profile"]
        return found

    def in_force() -> str | None:
        listed = [json.loads(line) for line in command("monitors", "list", "--json")[1].splitlines()]
        found: str | None = next((v["baseline_id"] for m in listed for v in m["versions"]), None)
        return found

    first = reference(0)
    file = tmp_path / "monitors.yaml"
    file.write_text(f"{DEFINITION.format(window='1m').replace('first: 200', 'profile: credit.json')}")
    code, out, _ = command("monitors", "apply", str(file), "--yes")
    assert code == 0
    assert f"the stored profile: none → {first}" in out
    predict(broker, prefix, 60)
    wait_until(lambda: in_force() == first, every=0.5, saying="the profile is in force")
    assert "the workers hold all of it" in command("monitors", "apply", str(file), "--yes")[1]
    second = reference(20)
    assert f"the stored profile: {first} → {second}" in command("monitors", "apply", str(file), "--yes")[1]
    wait_until(lambda: in_force() == second, every=0.5, saying="its new content is in force")
    adopt = ["baseline", "adopt", "--model", "credit", "--version", "7", "--actor", "anna"]
    code, out, _ = command(*adopt, "--current", "--note", "prices rose")
    assert code == 0
    assert out == "sent: credit 7 will be judged against its next predictions, once it has learned them\n"
    wait_until(lambda: in_force() is None, every=0.5, saying="the version learns anew")
    predict(broker, prefix, 30)
    third = reference(10)
    code, out, _ = command(*adopt, "--profile", str(tmp_path / "credit.json"))
    assert (code, out) == (0, f"sent: credit 7 will be judged against {third}\n")
    wait_until(lambda: in_force() == third, every=0.5, saying="the adopted profile is in force")
    command("baseline", "adopt", "--model", "credit", "--version", "99", "--current")
    letters = wait_until(lambda: read_topic(broker, prefix + DEAD_LETTERS), every=0.5)
    assert "credit has no version '99'" in json.loads(letters[0].value() or b"")["detail"]


def test_an_alert_is_acknowledged_ended_and_kept_quiet(
    broker: str, prefix: str, worker: WorkerProcess, command: Command, tmp_path: Path
) -> None:
    file = tmp_path / "monitors.yaml"
    limit = "monitors: {latency_p50_ms: {max: 10, windows: 1, raw: true}}\n"
    patience = "grace: 100ms\ncooldown: 100ms\nresolve_after: 1000\n"
    file.write_text(DEFINITION.format(window="1s") + patience + limit)
    assert command("monitors", "apply", str(file), "--yes")[0] == 0

    def listed(*words: str) -> list[Any]:
        predict(broker, prefix, 30, latency_ms=100.0)
        return [json.loads(line) for line in command("alerts", "list", "--json", *words)[1].splitlines()]

    (alert,) = wait_until(listed, every=0.5, saying="the slow model alerts")
    code, out, err = command("alerts", "ack", alert["alert_id"][:9], "--note", "on it", "--actor", "anna")
    assert (code, err) == (0, "")
    assert out.startswith(f"sent: ack {alert['alert_id']}, credit 7: median latency")
    acknowledged = lambda: [a for a in listed() if a["state"] == "acknowledged"]  # noqa: E731
    (seen,) = wait_until(acknowledged, every=0.5, saying="somebody looks after it")
    assert (seen["actor"], seen["note"]) == ("anna", "on it")

    silence = ["alerts", "silence", "--match", "monitor=latency_p50_ms", "--for", "1h", "--note", "deploy"]
    code, out, _ = command(*silence, "--actor", "bo")
    assert code == 0
    assert "every model: silenced from now until" in out

    def silences() -> list[Any]:
        return [json.loads(line) for line in command("alerts", "silences", "--json")[1].splitlines()]

    (said,) = wait_until(silences, every=0.5, saying="the workers hold the silence")
    assert (said["model"], said["actor"], said["note"]) == (None, "bo", "deploy")
    assert said["matcher"] == {"monitor": "latency_p50_ms"}
    assert "every model; monitor=latency_p50_ms  (bo: deploy)" in command("alerts", "silences")[1]

    assert command("alerts", "resolve", alert["alert_id"], "--model", "credit")[0] == 0
    ended = lambda: [a for a in listed("--all") if a["state"] == "resolved"]  # noqa: E731
    wait_until(ended, every=0.5, saying="it is over")
    assert command("alerts", "list")[1] == "no open alerts\n"

    assert command("alerts", "unsilence", "--match", "monitor=latency_p50_ms")[0] == 0
    (again,) = wait_until(listed, every=0.5, saying="it is told anew after the silence")
    assert again["episode"] == 2
    assert command("alerts", "silences")[1] == "no silences\n"


def test_an_order_about_no_alert_says_what_there_is(broker: str, prefix: str, command: Command) -> None:
    create_topics(broker, prefix, partitions=1)
    code, _, err = command("alerts", "ack", "9f2c")
    assert code == 1
    assert "no open alert begins with '9f2c'; `streamgauge alerts list` shows them" in err
    assert "say which alerts" in command("alerts", "silence", "--for", "1h")[2]
    assert "--match takes FIELD=VALUE" in command("alerts", "silence", "--for", "1h", "--match", "drift")[2]
    past = command("alerts", "silence", "--until", "2026-01-01T00:00:00Z", "--model", "credit")
    assert past[0] == 1
    assert "would have ended" in past[2]

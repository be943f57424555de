"""The notifier on a real broker: a real Alertmanager, webhooks that are counted, kills in between."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from standardwebhooks.webhooks import Webhook

from streamgauge.schemas.encode import encode_output
from streamgauge.schemas.heartbeat import EVERY_US, REFUSED_MODELS, SILENT_US, heartbeat
from streamgauge.schemas.message import ALERTS, METRICS, Output
from tests.harness import PATIENCE_S, create_topics, notifier, wait_until
from tests.notify.alerts import record
from tests.notify.receivers import Receiver, receiver

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Alertmanager:
    """A real Alertmanager, which tells a receiver of every alert by itself."""

    def __init__(self, folder: Path, told: Receiver) -> None:
        configuration = {
            "route": {
                "receiver": "counted", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s",
                "repeat_interval": "1h",
            },
            "receivers": [{"name": "counted", "webhook_configs": [{"url": told.url, "send_resolved": True}]}],
        }  # fmt: skip
        (folder / "alertmanager.yml").write_text(json.dumps(configuration))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        self._told = told
        command = [
            "prometheus-alertmanager",
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address={self.url[7:]}",
            "--cluster.listen-address=",
        ]
        with (folder / "alertmanager.log").open("w") as log:
            self._process = subprocess.Popen(command, stderr=log)

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def amtool(self) -> dict[str, str]:
        """What an operator sees: the summary of each active alert, by its labels."""
        done = subprocess.run(
            ["amtool", "--alertmanager.url", self.url, "--output=json", "alert", "query"],
            capture_output=True, check=True,
        )  # fmt: skip
        return {
            json.dumps(alert["labels"], sort_keys=True): alert["annotations"]["summary"]
            for alert in json.loads(done.stdout)
        }

    def ends(self) -> list[str]:
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=5) as answer:
            return sorted(alert["endsAt"] for alert in json.load(answer))

    def told(self) -> Counter[tuple[str, str]]:
        """How often it told its receiver of each model and state."""
        return Counter(
            (alert["labels"]["model"], alert["status"])
            for document in self._told.documents
            for alert in document["alerts"]
        )

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_S)


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Alertmanager]:
    if shutil.which("prometheus-alertmanager") is None or shutil.which("amtool") is None:
        message = "no real Alertmanager: install the Debian package prometheus-alertmanager"
        pytest.fail(message, pytrace=False) if os.environ.get("CI") == "true" else pytest.skip(message)
    with receiver() as told:
        running = Alertmanager(tmp_path, told)
        wait_until(running.is_ready)
        yield running
        running.stop()


class Topic:
    """The topic `alerts`, as a worker writes it."""

    def __init__(self, broker: str, prefix: str) -> None:
        create_topics(broker, prefix)
        self._broker, self._prefix = broker, prefix
        self._producer = Producer({"bootstrap.servers": broker, "partitioner": "murmur2_random"})

    def write(self, *records: dict[str, object], form: Literal["json", "avro"] = "json") -> None:
        for each in records:
            key = str(each["model"]).encode()
            value, headers = encode_output(Output(ALERTS, key, each), form)
            self._producer.produce(self._prefix + ALERTS, value, key, headers=list(headers))
        assert self._producer.flush(60) == 0

    def beat(self, partition: int, until_us: int, **what: Any) -> None:
        """A worker's heartbeat."""
        record = heartbeat(partition, until_us - EVERY_US, until_us, "test", **what)
        value, headers = encode_output(record)
        self._producer.produce(self._prefix + METRICS, value, b"", partition, headers=list(headers))
        assert self._producer.flush(60) == 0

    def write_bytes(self, value: bytes) -> None:
        for partition in range(4):
            self._producer.produce(self._prefix + ALERTS, value, partition=partition)
        assert self._producer.flush(60) == 0

    def is_done(self, target: str) -> bool:
        """Whether the target's group has committed the end of every partition."""
        consumer = Consumer(
            {"bootstrap.servers": self._broker, "group.id": f"{self._prefix}notifier.{target}"}
        )
        try:
            partitions = [TopicPartition(self._prefix + ALERTS, number) for number in range(4)]
            ends = [consumer.get_watermark_offsets(p, timeout=10)[1] for p in partitions]
            return [p.offset for p in consumer.committed(partitions, timeout=10)] == ends
        finally:
            consumer.close()


@pytest.fixture
def topic(broker: str, prefix: str) -> Topic:
    return Topic(broker, prefix)


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


def webhook(made: Receiver, **given: object) -> dict[str, object]:
    return {"kind": "webhook", "url": made.url, "secret": SECRET, **given}


def ids(made: Receiver) -> Counter[str]:
    """How often each message came, by its id; every signature is right."""
    for _, headers, body in made.requests:
        Webhook(SECRET).verify(body, headers)
    return Counter(headers["webhook-id"] for _, headers, _ in made.requests)


def test_a_real_alertmanager_receives_keeps_and_resolves_and_restarts_lose_and_repeat_nothing(
    broker, prefix, topic, hook, alertmanager, tmp_path
):
    config = {
        "targets": {
            "alertmanager": {"kind": "alertmanager", "url": alertmanager.url, "resend": "1s"},
            "hook": webhook(hook),
        },
        "routes": [{"to": ["alertmanager", "hook"]}],
    }
    expected = Counter()

    def write(*steps: dict[str, object]) -> None:
        topic.write(*steps)
        expected.update(f"{each['alert_id']}-{each['sequence']}" for each in steps)

    def delivered() -> None:
        wait_until(lambda: set(ids(hook)) == set(expected), saying="every step came to the webhook")
        wait_until(lambda: topic.is_done("hook") and topic.is_done("alertmanager"))

    with notifier(broker, prefix, tmp_path, config) as process:
        process.wait_ready()
        write(record("aa-1", model="a"), record("bb-1", model="b", severity="critical"))
        wait_until(lambda: len(alertmanager.amtool()) == 2)
        delivered()
        before = alertmanager.ends()
        wait_until(lambda: alertmanager.ends() > before, saying="open alerts are kept")

        assert process.stop() == 0
        worse = record("aa-1", 2, "updated", model="a", severity="critical", summary="worse")
        write(worse, record("cc-1", model="c"))
        process.start()
        wait_until(lambda: len(alertmanager.amtool()) == 3)
        delivered()
        assert "worse" in alertmanager.amtool().values()

        process.kill()
        write(record("bb-1", 2, "resolved", model="b", severity="critical"), record("dd-1", model="d"))
        process.start()
        delivered()
        wait_until(lambda: len(alertmanager.amtool()) == 3, saying="b has ended, a, c and d are there")

        write(record("aa-1", 3, "resolved", model="a", severity="critical"))
        write(*(record(f"{m}{m}-1", 2, "resolved", model=m) for m in "cd"))
        wait_until(lambda: alertmanager.amtool() == {})
        delivered()
        # a was two alerts, for its severity is a label
        both = Counter((model, status) for model in "aabcd" for status in ("firing", "resolved"))
        wait_until(lambda: alertmanager.told() == both, saying="each was told once, and its end once")
        assert process.stop() == 0
    assert ids(hook) == expected


def test_a_target_that_is_down_holds_up_no_other_and_gets_all_when_it_is_back(
    broker, prefix, topic, hook, tmp_path
):
    with receiver() as silent, receiver() as failing, receiver() as picky, receiver() as late:
        silent.hold.clear()
        failing.status, picky.status, late.status = 503, 422, 503
        targets = {"hook": hook, "silent": silent, "failing": failing, "picky": picky}
        config = {
            "targets": {name: webhook(made) for name, made in targets.items()}
            | {"late": webhook(late, expire="2s")},
            "routes": [{"to": ["silent", "failing", "picky", "late", "hook"]}],
        }
        with notifier(broker, prefix, tmp_path, config) as process:
            process.wait_ready()
            topic.write(*(record(f"{n:02x}-1", model=f"m{n}") for n in range(12)))
            wait_until(lambda: len(ids(hook)) == 12)
            assert len(silent.requests) == 1
            assert "delivered" not in {
                line.split()[-1] for line in process.logs.splitlines() if "target=silent" in line
            }
            wait_until(lambda: 'breaker_open{target="failing"} 1.0' in process.health("/metrics")[1])
            refused = 'transitions_total{outcome="refused",target="picky"} 12.0'
            wait_until(lambda: refused in process.health("/metrics")[1])
            expired = 'transitions_total{outcome="expired",target="late"} 12.0'
            wait_until(lambda: expired in process.health("/metrics")[1])
            assert process.logs.count("given_up") == 24
            silent.hold.set()
            failing.status = 200
            wait_until(lambda: topic.is_done("silent") and topic.is_done("failing"))
            process.stop()
        for each in (silent, failing):
            assert set(ids(each)) == set(ids(hook))
        assert set(ids(hook).values()) == {1}


def test_kills_at_any_moment_lose_nothing_and_what_comes_again_is_told_by_its_id(
    broker, prefix, topic, hook, tmp_path
):
    config = {"targets": {"hook": webhook(hook)}, "routes": [{"to": "hook"}]}
    wanted = {f"{n:02x}-1-{sequence}" for n in range(60) for sequence in (1, 2)}
    with notifier(broker, prefix, tmp_path, config) as process:
        process.wait_ready()
        for n in range(60):
            topic.write(record(f"{n:02x}-1", model=f"m{n % 7}"), form="avro" if n % 2 else "json")
        for count in (20, 45, 70):
            wait_until(lambda count=count: len(hook.requests) >= count, every=0.005)
            process.kill()
            if count == 45:
                topic.write(*(record(f"{n:02x}-1", 2, "resolved", model=f"m{n % 7}") for n in range(60)))
            process.start()
        wait_until(lambda: set(ids(hook)) == wanted)
        wait_until(lambda: topic.is_done("hook"))
        assert process.stop() == 0
    repeats = {key: count for key, count in ids(hook).items() if count > 1}
    assert len(repeats) <= 3, "a kill repeats at most the one that was on its way"
    bodies = {(headers["webhook-id"], body) for _, headers, body in hook.requests}
    assert len(bodies) == len(wanted)


def test_a_new_target_is_told_what_is_open_and_two_notifiers_share_the_work(
    broker, prefix, topic, hook, tmp_path
):
    topic.write(*(record(f"{n:02x}-1", model=f"m{n}") for n in range(8)))
    topic.write(*(record(f"{n:02x}-1", 2, "resolved", model=f"m{n}") for n in range(4)))
    topic.write_bytes(b"no alert at all")
    config = {"targets": {"hook": webhook(hook)}, "routes": [{"to": "hook"}]}
    with (
        notifier(broker, prefix, tmp_path, config) as first,
        notifier(broker, prefix, tmp_path, config) as second,
    ):
        wait_until(lambda: len(hook.requests) == 4)
        wait_until(lambda: topic.is_done("hook"))
        assert "unreadable" in first.logs + second.logs
        first.kill()
        topic.write(*(record(f"{n:02x}-1", 2, "resolved", model=f"m{n}") for n in range(4, 8)))
        wait_until(lambda: len(ids(hook)) == 8)
        second.stop()
    assert ids(hook) == Counter(f"{n:02x}-1-{sequence}" for n in range(4, 8) for sequence in (1, 2))


def test_who_was_told_that_no_worker_is_there_is_told_when_one_is_back_even_after_a_kill(
    broker, prefix, topic, hook, tmp_path
):
    config = {"targets": {"hook": webhook(hook)}, "routes": [{"to": "hook"}]}

    def told() -> set[tuple[str, str, str]]:
        alerts = [document["data"] for document in hook.documents]
        return {(each["segment"]["partition"], each["monitor"], each["state"]) for each in alerts}

    now_us = time.time_ns() // 1_000
    topic.beat(0, now_us)
    topic.beat(2, now_us - SILENT_US + 3_000_000)
    topic.beat(3, now_us)
    topic.beat(3, now_us, metric=REFUSED_MODELS, value=12.0)
    with notifier(broker, prefix, tmp_path, config) as process:
        process.wait_ready()
        opened = {("2", "heartbeat", "opened"), ("3", "max_models", "opened")}
        wait_until(lambda: told() == opened, saying="one partition is silent, one refuses models")
        wait_until(lambda: "silent_partitions 1.0" in process.health("/metrics")[1])
        process.kill()
        topic.beat(2, time.time_ns() // 1_000)
        process.start()
        wait_until(lambda: told() == opened | {("2", "heartbeat", "resolved")})
        wait_until(lambda: topic.is_done("hook"))
        assert process.stop() == 0
    assert sorted(ids(hook).values()) == [1, 1, 1]

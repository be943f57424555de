"""The engine's pure parts: records of state, ticks, the watchdog's judgement, topics, settings, health."""

import http.client
import re
import socket
import struct
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from streamgauge.clients.connection import Connection
from streamgauge.schemas.errors import ConfigurationError, StateError
from streamgauge.schemas.message import INPUTS, STATE, TOPICS
from streamgauge.streams.app import build_app
from streamgauge.streams.group_metadata import group_metadata
from streamgauge.streams.health import HealthServer
from streamgauge.streams.membership import Probe, Reach
from streamgauge.streams.records import StateRecord, StateRecords
from streamgauge.streams.settings import WorkerSettings, load_settings
from streamgauge.streams.state_log import refuse_foreign_logs
from streamgauge.streams.store import LogBounds
from streamgauge.streams.telemetry import Outcomes, Telemetry
from streamgauge.streams.ticks import tick_time
from streamgauge.streams.topics import TopicState, check_topics, topic_config
from streamgauge.streams.watchdog import Judge, Observation

keys = st.sampled_from([b"a", b"b", b"model/credit", b"\x00applied"])
changes = st.lists(st.tuples(keys, st.none() | st.binary(max_size=40)), max_size=12)


def compacted(log: list[StateRecord]) -> list[StateRecord]:
    """What a broker's compaction may leave of a log: the last record of each key, in order."""
    last = {record.key: index for index, record in enumerate(log)}
    return [record for index, record in enumerate(log) if last[record.key] == index]


@given(transactions=st.lists(changes, max_size=6), chunk=st.integers(1, 16))
def test_what_was_written_is_restored_whatever_compaction_took(
    transactions: list[list[tuple[bytes, bytes | None]]], chunk: int
) -> None:
    writer = StateRecords(max_value_bytes=chunk)
    log: list[StateRecord] = []
    expected: dict[bytes, bytes] = {}
    for transaction in transactions:
        log += writer.write(transaction)
        for key, value in transaction:
            if value is None:
                expected.pop(key, None)
            else:
                expected[key] = value
    for survivors in (log, compacted(log)):
        reader = StateRecords(max_value_bytes=chunk)
        for record in survivors:
            reader.read(record.key, record.value, record.headers)
        assert dict(reader.snapshots()) == expected
    live = [record for record in compacted(log) if record.value is not None]
    assert len(live) == sum(max(1, -(-len(value) // chunk)) for value in expected.values())


def test_a_snapshot_that_lacks_a_part_is_refused() -> None:
    reader = StateRecords()
    reader.read(b"a", b"first", [("parts", b"2")])
    with pytest.raises(StateError, match="part"):
        list(reader.snapshots())


def test_a_small_snapshot_is_stored_as_it_is() -> None:
    assert list(StateRecords().write([(b"a", b"value")])) == [StateRecord(b"a", b"value")]


REACHED = Reach(position=10, delivered=8, highwater=10, polled_us=2_000)


@pytest.mark.parametrize(
    ("predictions", "labels", "applied", "expected"),
    [
        (REACHED, Reach(5, 4, 5, 1_500), {"p": 8, "g": 4}, 1_500),  # the older poll counts
        (REACHED, Reach(0, -1, 0, 3_000), {"p": 8}, 2_000),  # an input that never had an event
        (REACHED, None, {"p": 8, "g": 4}, None),  # not polled yet
        (REACHED, Reach(5, 4, 6, 3_000), {"p": 8, "g": 4}, None),  # the log goes on
        (REACHED, Reach(5, 4, 5, 3_000), {"p": 7, "g": 4}, None),  # delivered, not applied
    ],
)
def test_a_tick_comes_only_where_everything_before_it_was_applied(
    predictions: Reach, labels: Reach | None, applied: dict[str, int], expected: int | None
) -> None:
    reaches = {("p", 3): predictions} | ({("g", 3): labels} if labels else {})
    assert tick_time(reaches, applied, ["p", "g"], 3) == expected


NOW = 1_000_000_000_000


def observation(
    *reaches: Reach, generation: int = 3, uncommitted: bool = False, opening: bool = False, ago_us: int = 0
) -> Observation:
    at = {("p", number): reach for number, reach in enumerate(reaches)}
    probe = Probe(generation, at, now_us=NOW + ago_us)
    return Observation(probe, uncommitted=uncommitted, opening=opening)


def seconds_until_verdict(observations: Iterator[Observation]) -> tuple[int, str] | None:
    judge = Judge()
    for second, one in enumerate(observations, 1):
        verdict = judge.observe(one)
        if verdict:
            return second, verdict
    return None


IDLE = Reach(position=5, delivered=4, highwater=5, polled_us=NOW)
STUCK = Reach(position=5, delivered=4, highwater=9, polled_us=NOW)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (observation(generation=-1), (61, "no place in the consumer group for 60 s")),
        (observation(STUCK), (62, "messages wait and none is read for 60 s")),
        (observation(IDLE, uncommitted=True), (61, "changes are not committed for 60 s")),
        (observation(IDLE, ago_us=6_000_000), (121, "the brokers are not polled for 120 s")),
        (Observation(None, False, False), (61, "the consumer does not answer for 60 s")),
        (observation(IDLE), None),
        (observation(IDLE, Reach(3, 3, 9, NOW - 9_000_000), opening=True), None),  # a slow backlog
        (Observation(observation(STUCK).probe, False, False, held=frozenset({0})), None),  # by a registry
        (
            Observation(observation(STUCK, STUCK).probe, False, False, held=frozenset({0})),
            (62, "messages wait and none is read for 60 s"),
        ),
        (observation(), None),  # an empty assignment with a valid generation is healthy
        (observation(STUCK, opening=True), None),  # restoring holds reading back, within its own deadlines
    ],
)
def test_the_watchdog_ends_a_worker_that_does_nothing(
    seen: Observation, expected: tuple[int, str] | None
) -> None:
    assert seconds_until_verdict(iter([seen] * 200)) == expected


def test_the_watchdog_forgets_a_trouble_that_passed() -> None:
    trouble, fine = observation(generation=-1), observation(IDLE)
    assert seconds_until_verdict(iter(([trouble] * 50 + [fine]) * 4)) is None


def test_lag_that_shrinks_is_progress() -> None:
    moving = (observation(Reach(n, n, 1_000, NOW)) for n in range(300))
    assert seconds_until_verdict(moving) is None


def test_a_foreign_member_in_the_group_ends_the_worker_at_once() -> None:
    refused = Observation(Probe(3, {}, "InconsistentGroupProtocolError()"), False, False)
    verdict = Judge().observe(refused)
    assert verdict is not None
    assert "InconsistentGroupProtocolError" in verdict


def states(**partitions: int) -> list[TopicState]:
    return [TopicState(f"x.{name}", partitions.get(name.replace("-", "_"), 4), {}) for name in TOPICS]


@pytest.mark.parametrize(
    ("topics", "words"),
    [
        (states(alerts=0), ["x.alerts", "streamgauge topics create"]),
        (states(alerts=2), ["x.alerts 2", "--partitions 4"]),
        ([TopicState("x.state", 4, {"cleanup.policy": "delete"})], ["cleanup.policy=compact"]),
        ([TopicState("x.predictions", 4, {"message.timestamp.type": "CreateTime"})], ["LogAppendTime"]),
        ([TopicState("x.metrics", 4, {"max.message.bytes": "1048588"})], ["max.message.bytes", "2097152"]),
    ],
)
def test_topics_on_which_nothing_should_start_are_refused_with_what_to_do(
    topics: list[TopicState], words: list[str]
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        check_topics(topics, prefix="x.")
    for word in words:
        assert word in str(refusal.value)


def test_good_topics_are_accepted() -> None:
    good = [TopicState(f"x.{name}", 8, topic_config(name)) for name in TOPICS]
    assert check_topics(good, prefix="x.") == 8
    assert all(topic_config(name)["message.timestamp.type"] == "LogAppendTime" for name in INPUTS)
    assert topic_config(STATE)["cleanup.policy"] == "compact"


def test_state_ahead_of_its_input_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="deleted and created again"):
        refuse_foreign_logs({"predictions": 10}, {"predictions": LogBounds(0, 10)}, prefix="x.", partition=1)


def test_group_metadata_has_librdkafkas_form() -> None:
    expected = b"CGMDv2:" + struct.pack("<i", 12) + b"x.worker\0faust-1234\0\x01"
    assert group_metadata("x.worker", 12, "faust-1234") == expected


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMGAUGE_COMMIT_INTERVAL_S", "soon")
    with pytest.raises(ConfigurationError, match="STREAMGAUGE_COMMIT_INTERVAL_S"):
        load_settings({})


def test_flags_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMGAUGE_TOPIC_PREFIX", "env.")
    assert load_settings({}).topic_prefix == "env."
    assert load_settings({"topic_prefix": "flag."}).topic_prefix == "flag."


def test_the_password_is_in_no_representation() -> None:
    settings = WorkerSettings(sasl_username="me", sasl_password="hush", topic_prefix="x.")  # type: ignore[arg-type]
    assert "hush" not in repr(settings)
    assert settings.connection.librdkafka()["sasl.password"] == "hush"


@pytest.mark.parametrize(
    ("given", "protocol"), [({}, None), ({"sasl_username": "me", "sasl_password": "hush"}, "SASL_PLAINTEXT")]
)
def test_both_kafka_clients_get_the_same_credentials(
    given: dict[str, str], protocol: str | None, tmp_path: Path
) -> None:
    settings = WorkerSettings(bootstrap_servers="a:1,b:2", **given)  # type: ignore[arg-type]
    app = build_app(settings, tmp_path)
    credentials = app.conf.broker_credentials
    assert [str(url) for url in app.conf.broker] == ["kafka://a:1", "kafka://b:2"]
    if protocol is None:
        assert credentials is None
    else:
        assert credentials.protocol.value == protocol == settings.connection.protocol
        assert (credentials.username, credentials.password) == ("me", "hush")
        assert credentials.mechanism.value == settings.connection.mechanism


def test_with_tokens_both_kafka_clients_get_theirs_from_one_place(tmp_path: Path) -> None:
    tokens = {
        "sasl_username": "me", "sasl_password": "hush", "sasl_token_url": "https://login.example/token",
        "sasl_token_scope": "kafka", "sasl_extensions": "cluster=a",
    }  # fmt: skip
    settings = WorkerSettings(bootstrap_servers="a:1", **tokens)  # type: ignore[arg-type]
    credentials = build_app(settings, tmp_path).conf.broker_credentials
    assert credentials.protocol.value == settings.connection.protocol == "SASL_SSL"
    assert credentials.mechanism.value == settings.connection.mechanism == "OAUTHBEARER"
    assert credentials.oauth_cb.extensions() == {"cluster": "a"}
    assert "hush" not in repr(credentials)
    config = settings.connection.librdkafka()
    assert (config["sasl.oauthbearer.client.id"], config["sasl.oauthbearer.scope"]) == ("me", "kafka")


def test_outcomes_neither_fall_nor_jump_when_partitions_come_and_go() -> None:
    outcomes = Outcomes()
    outcomes.opened(0, {"applied": 100})
    outcomes.opened(1, {"applied": 50})
    outcomes.update({0: {"applied": 105}, 1: {"applied": 53}})
    assert outcomes.added["applied"] == 8
    outcomes.update({1: {"applied": 54}})  # 0 has left
    assert outcomes.added["applied"] == 9
    outcomes.opened(0, {"applied": 900})  # and is back, after others counted it on
    outcomes.update({0: {"applied": 901}, 1: {"applied": 54}})
    assert outcomes.added["applied"] == 10
    outcomes.update({0: {"applied": 700}, 1: {"applied": 54}})  # a model was retired
    assert outcomes.added["applied"] == 10


def test_a_worker_without_partitions_has_no_part_in_the_budget() -> None:
    telemetry = Telemetry()
    telemetry.spending([(0.5, {"drift": 2}), (0.25, {"drift": 1})])
    labels = {"monitor": "drift"}
    assert telemetry.registry.get_sample_value("streamgauge_budget_alerts", labels) == 3
    telemetry.spending([])
    assert telemetry.registry.get_sample_value("streamgauge_budget_paid") == 0
    assert telemetry.registry.get_sample_value("streamgauge_budget_alerts", labels) == 0


def test_the_table_of_metrics_is_the_registry() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/worker-metrics.md").read_text()
    documented = {
        match[1]: (match[2], match[3])
        for match in re.finditer(r"^\| `(streamgauge_\w+)` \| (\w+) \|[^|]*\| (.+) \|$", page, re.MULTILINE)
    }
    registered = {
        family.name + ("_total" if family.type == "counter" else ""): (family.type, family.documentation)
        for family in Telemetry().registry.collect()
    }
    assert documented == registered


def fetch(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_readiness_is_apart_from_health() -> None:
    left = ["restoring 2 of 4 partitions"]
    server = HealthServer("127.0.0.1", 0, Telemetry().registry, lambda: left[0])
    try:
        assert fetch(server.port, "/healthz")[0] == 200
        assert fetch(server.port, "/readyz") == (503, "restoring 2 of 4 partitions\n")
        left[0] = ""
        assert fetch(server.port, "/readyz")[0] == 200
        assert "streamgauge_commit_seconds_bucket" in fetch(server.port, "/metrics")[1]
        assert fetch(server.port, "/")[0] == 404
    finally:
        server.close()


def test_metrics_are_for_those_who_bring_the_token_and_probes_bring_none() -> None:
    server = HealthServer("127.0.0.1", 0, Telemetry().registry, str, "canary-7d1")
    try:
        assert [fetch(server.port, path)[0] for path in ("/healthz", "/readyz")] == [200, 200]
        for given, status in (
            (None, 401), ("Bearer canary-7d", 401), ("canary-7d1", 401), ("Bearer caf\xe9", 401),
            ("Bearer canary-7d1", 200),
        ):  # fmt: skip
            asked = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
            asked.request("GET", "/metrics", headers={} if given is None else {"Authorization": given})
            answer = asked.getresponse()
            assert (answer.status, answer.getheader("Server").strip()) == (status, "streamgauge")
            assert b"canary" not in answer.read()
            asked.close()
    finally:
        server.close()


def test_the_health_server_frees_its_port() -> None:
    server = HealthServer("127.0.0.1", 0, CollectorRegistry(), str)
    port = server.port
    server.close()
    HealthServer("127.0.0.1", port, CollectorRegistry(), lambda: True).close()


@pytest.mark.parametrize("host", ["127.0.0.1", "no such host"])
def test_where_the_health_server_cannot_listen_it_says_what_to_set(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"'{host}', port {port}.*STREAMGAUGE_HEALTH_PORT"):
            HealthServer(host, port, CollectorRegistry(), str)


def test_every_topic_name_carries_the_prefix() -> None:
    connection = Connection("localhost:9092", prefix="x.")
    assert WorkerSettings(topic_prefix="x.").group.startswith("x.")
    assert {connection.topic(name) for name in TOPICS} == {f"x.{name}" for name in TOPICS}

"""What can be checked of the container files without a container engine: their structure and their promises.

The compose specification's JSON schema is not part of this repository (the file was valid against it when it
was written), so this checks by itself what matters: that keys, services, volumes and settings that are named
exist, and that what is said about privileges is so.
"""

import re
from pathlib import Path

import pytest
import yaml

from streamgauge.cli.main import build_parser
from streamgauge.notify import config_file
from streamgauge.streams.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
OURS = {"topics", "worker", "notifier"}
SERVICE_KEYS = {
    "build", "cap_drop", "command", "depends_on", "deploy", "env_file", "environment", "expose",
    "healthcheck", "image", "init", "ports", "read_only", "restart", "security_opt", "stop_grace_period",
    "tmpfs", "user", "volumes",
}  # fmt: skip


@pytest.mark.parametrize("name", SERVICES)
class TestService:
    def test_it_uses_keys_of_the_compose_specification(self, name):
        assert set(SERVICES[name]) <= SERVICE_KEYS

    def test_its_image_has_a_fixed_version(self, name):
        image, _, tag = SERVICES[name]["image"].rpartition(":")
        assert image
        assert tag != "latest"

    def test_it_has_no_privileges_to_lose(self, name):
        service = SERVICES[name]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        # Kafka's own start script writes its configuration into the image's folders
        assert service.get("read_only", False) or name == "kafka"

    def test_its_memory_and_processors_are_limited(self, name):
        limits = SERVICES[name]["deploy"]["resources"]["limits"]
        assert re.fullmatch(r"\d+M", limits["memory"])
        assert float(limits["cpus"]) > 0

    def test_its_health_is_watched(self, name):
        if name in ("worker", "notifier"):  # the image's own check
            assert "HEALTHCHECK" in (ROOT / "Dockerfile").read_text()
        else:
            assert SERVICES[name]["healthcheck"].get("test") or name == "topics"

    def test_what_it_waits_for_exists_and_can_come_true(self, name):
        for other, wanted in SERVICES[name].get("depends_on", {}).items():
            condition = wanted["condition"]
            assert condition in {"service_healthy", "service_completed_successfully"}
            assert condition != "service_healthy" or SERVICES[other]["healthcheck"]["test"]

    def test_its_ports_are_open_to_this_machine_only(self, name):
        for port in SERVICES[name].get("ports", []):
            assert port.startswith("127.0.0.1:")

    def test_what_it_mounts_exists(self, name):
        for volume in SERVICES[name].get("volumes", []):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (source.startswith("./") and (ROOT / source).exists())


def documented():
    """Every variable of the reference's tables, the logger's own too."""
    rows = re.findall(r"(?m)^\| (`[^|]*`) \|", (ROOT / "docs/reference/settings.md").read_text())
    return {f"STREAMGAUGE_{name}" for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}


def environment_of(name, given):
    """What Compose gives a service: the files in their order, `given` for the user's, then its own."""
    found = {}
    for file in SERVICES[name]["env_file"]:
        if isinstance(file, dict):
            assert (file["path"], file["required"]) == ("streamgauge.env", False)
            found |= given
        else:
            lines = (ROOT / file).read_text().splitlines()
            found |= dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return found | SERVICES[name].get("environment", {})


@pytest.mark.parametrize("name", sorted(OURS))
def test_settings_of_our_services_are_ones_that_the_worker_knows(name):
    known = {f"STREAMGAUGE_{field.upper()}" for field in WorkerSettings.model_fields}
    assert known <= documented()
    assert set(environment_of(name, {})) <= known


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_documented_setting_can_be_set_in_one_file(name):
    wired = {"STREAMGAUGE_HEALTH_HOST", "STREAMGAUGE_HEALTH_PORT", "STREAMGAUGE_STATE_DIR"}
    found = environment_of(name, dict.fromkeys(documented(), "mine"))
    assert {setting for setting in documented() if found[setting] != "mine"} <= wired
    page = (ROOT / "docs/how-to/run-with-docker.md").read_text()
    assert all(setting in page for setting in wired)


def test_the_users_file_reaches_neither_git_nor_the_image():
    for file in (".gitignore", ".dockerignore"):
        assert {"streamgauge.env", "*.env"} & set((ROOT / file).read_text().splitlines())
    for name in OURS:
        assert "./deploy/certificates:/etc/streamgauge/certificates:ro" in SERVICES[name]["volumes"]


def test_a_worker_keeps_below_the_memory_that_its_container_has():
    given = environment_of("worker", {})["STREAMGAUGE_MAX_MEMORY"]
    limit = SERVICES["worker"]["deploy"]["resources"]["limits"]["memory"]
    assert WorkerSettings(max_memory=given, _env_file=None).max_memory < int(limit.removesuffix("M")) << 20


def test_commands_of_our_services_are_right():
    command = SERVICES["topics"]["command"]
    assert build_parser(command[0]).parse_args(command).command == "topics"
    assert "command" not in SERVICES["worker"]
    notifier = SERVICES["notifier"]["command"]
    assert build_parser(notifier[0]).parse_args(notifier).config in SERVICES["notifier"]["volumes"][0]
    assert '\nCMD ["worker"]' in (ROOT / "Dockerfile").read_text()


def test_clients_reach_kafka_where_it_listens():
    kafka = SERVICES["kafka"]["environment"]
    listeners = dict(entry.split("://") for entry in kafka["KAFKA_ADVERTISED_LISTENERS"].split(","))
    for name in OURS:
        assert environment_of(name, {})["STREAMGAUGE_BOOTSTRAP_SERVERS"] == listeners["INTERNAL"]
    assert listeners["HOST"] == WorkerSettings.model_fields["bootstrap_servers"].default
    assert SERVICES["kafka"]["ports"] == ["127.0.0.1:9092:9092"]


def test_the_port_of_health_and_metrics_is_the_same_everywhere():
    port = str(WorkerSettings.model_fields["health_port"].default)
    scrapes = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text())["scrape_configs"]
    for name, scrape in zip(("worker", "notifier"), scrapes, strict=True):
        (found,) = scrape["dns_sd_configs"]
        assert SERVICES[name]["environment"]["STREAMGAUGE_HEALTH_PORT"] == port
        assert SERVICES[name]["expose"] == [port]
        assert (found["names"], str(found["port"])) == ([name], port)
    assert f"http://127.0.0.1:{port}/readyz" in (ROOT / "Dockerfile").read_text()


def test_the_image_runs_as_nobody_in_particular():
    _, build, final = (ROOT / "Dockerfile").read_text().split("\nFROM ")
    assert "--require-hashes" in build
    assert re.search(r"(?m)^USER 10001$", final)


def test_the_notifier_tells_the_alertmanager_that_is_there():
    checked = config_file.load(str(ROOT / "deploy/notifier.yaml"), {})
    assert checked.problems == ()
    host, port = checked.targets["alertmanager"].url.get_secret_value().removeprefix("http://").split(":")
    assert checked.config.allow == (host,)
    assert SERVICES[host]["ports"] == [f"127.0.0.1:{port}:{port}"]

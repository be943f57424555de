"""The Prometheus files name metrics and outcomes that the worker really has."""

import re
from pathlib import Path

import pytest
import yaml

from streamgauge.notify.telemetry import Telemetry as NotifierTelemetry
from streamgauge.schemas.message import Message
from streamgauge.streams.core.partition import CoreSettings, Partition
from streamgauge.streams.telemetry import Telemetry

ROOT = Path(__file__).parents[2]
CONFIGURATION = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text())
RULES = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text())["groups"]
    for rule in group["rules"]
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
class TestRule:
    def test_it_names_metrics_that_the_worker_has(self, rule):
        families = [
            family for each in (Telemetry(), NotifierTelemetry()) for family in each.registry.collect()
        ]
        known = {each.name + "_total" if each.type == "counter" else each.name for each in families}
        assert set(re.findall(r"streamgauge_\w+", rule["expr"])) <= known

    def test_it_names_outcomes_that_the_core_counts(self, rule):
        value = b'{"prediction_id":"a","model":"m","time":"2026-11-21T10:00:00Z","prediction":"yes"}'
        partition = Partition(0, CoreSettings(clock="events"))
        partition.apply([Message("predictions", 0, 0, b"m", value)])
        assert set(re.findall(r'outcome="(\w+)"', rule["expr"])) <= set(partition.counts())

    def test_it_says_what_is_wrong_and_what_to_do(self, rule):
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert set(rule["annotations"]) == {"summary", "description"}

    def test_its_expression_has_its_brackets(self, rule):
        for opening, closing in ("()", "[]", "{}"):
            assert rule["expr"].count(opening) == rule["expr"].count(closing)


def test_jobs_that_rules_name_are_scraped():
    jobs = {config["job_name"] for config in CONFIGURATION["scrape_configs"]}
    assert {job for rule in RULES for job in re.findall(r'job="([\w-]+)"', rule["expr"])} <= jobs


def test_the_rules_are_loaded_from_where_compose_mounts_them():
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    mounts = dict(volume.split(":")[:2] for volume in compose["services"]["prometheus"]["volumes"])
    (pattern,) = CONFIGURATION["rule_files"]
    assert mounts["./deploy/prometheus"] == str(Path(pattern).parent)
    assert mounts["./deploy/prometheus.yml"] == "/etc/prometheus/prometheus.yml"

"""The documentation is true: links lead somewhere, examples are valid, commands exist, tables match code."""

import ast
import dataclasses
import importlib
import json
import re
import shlex
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamgauge import AlertSubscription, RetrainRequests
from streamgauge.cli.main import COMMANDS, build_parser, main
from streamgauge.cli.monitors import check
from streamgauge.clients.settings import LoggerSettings
from streamgauge.detectors.baseline import build_profile
from streamgauge.notify import config_file, wording
from streamgauge.notify.config import HandOver, NotifierConfig, Route
from streamgauge.notify.config_file import ALL_KINDS as TARGETS
from streamgauge.notify.telemetry import Telemetry as NotifierTelemetry
from streamgauge.schemas.decode import decode_messages
from streamgauge.schemas.durations import format_duration
from streamgauge.schemas.encode import decode_output, encode_output
from streamgauge.schemas.errors import Reason
from streamgauge.schemas.limits import Limits
from streamgauge.schemas.message import Message, Output
from streamgauge.schemas.monitor import Fleet, MonitorDefinition, Rule
from streamgauge.schemas.monitor_names import (
    BLOCKED,
    BUILT_IN,
    COMPARISON,
    ERROR_DETECTORS,
    EVIDENCE,
    METRICS,
    MISSING_LABELS,
    OBJECTIVES,
    SAMPLE_RATIO,
    STALE_BASELINE,
    UNANSWERED,
)
from streamgauge.schemas.runbooks import OF_THE_NOTIFIER, page_of
from streamgauge.streams.core.alert_states import TRANSITIONS, State
from streamgauge.streams.settings import WorkerSettings
from streamgauge.streams.sources.files import open_file

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_BROKER = "needs Kafka; tests/kafka runs it on one. Here its arguments are parsed"
#: Commands that no test of this file runs, with the reason.
NOT_RUN = {
    "streamgauge topics": _BROKER,
    "streamgauge worker": _BROKER,
    "streamgauge alerts": _BROKER,
    "streamgauge budget --model": _BROKER,
    "streamgauge compare": _BROKER,
    "streamgauge baseline adopt": _BROKER,
    "streamgauge monitors apply": _BROKER,
    "streamgauge monitors list": _BROKER,
    "streamgauge monitors retire": _BROKER,
    "streamgauge doctor --role": _BROKER,
    "streamgauge metrics": _BROKER,
    "streamgauge notifier --config": _BROKER,
    "streamgauge notifier test": "needs the target; tests/notify sends to real ones",
    "kafka-acls.sh": "needs a broker with an authorizer",
    "streamgauge dead-letters": _BROKER,
    "streamgauge replay --from-topics": _BROKER,
    "streamgauge retrain": _BROKER,
    "make chaos": "takes minutes; tests/chaos runs a short one",
    "make demo": "takes 90 s; the demo has tests of its own",
    "make test": "this is it",
    "make up": "needs a container engine, which the tests do not have",
    "make down": "needs a container engine, which the tests do not have",
    "docker": "needs a container engine, which the tests do not have",
    "export": "no effect outside its shell",
    "pip install": "what it installs is tested from the wheel, in tests/packaging",
}


#: What the examples of the notifier's file take from the environment.
SECRETS = {
    "PAGERDUTY_KEY": "k" * 32,
    "SLACK_URL": "https://hooks.slack.com/services/T/B/x",
    "WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "SMTP_PASSWORD": "p",
    "AIRFLOW_PASSWORD": "p",
    "GITHUB_TOKEN": "t",
    "ARGO_TOKEN": "t",
    "QUEUE_TOKEN": "t",
    "APPRISE_URL": "tgram://123456789:abcdefg_hijklmnop/12315544/",
}


def blocks(language):
    """(page:line, text) of every fenced block in a language."""
    found = []
    for page in PAGES:
        for match in re.finditer(rf"(?ms)^```{language}\n(.*?)^```$", page.read_text()):
            line = page.read_text().count("\n", 0, match.start()) + 1
            found.append(pytest.param(match[1], id=f"{page.relative_to(ROOT)}:{line}"))
    return found


def slug(heading):
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def links(page):
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"(?ms)^```.*?^```$", "", page.read_text()))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in links(page):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{page.name} links to {target}"
        if anchor:
            headings = re.findall(r"(?m)^#+ (.+)$", there.read_text())
            assert anchor in map(slug, headings), f"{page.name} links to {target}"


def test_every_page_and_decision_is_in_an_index():
    for folder in (ROOT / "docs", ROOT / "docs" / "adr"):
        linked = {(folder / target).resolve() for target in links(folder / "README.md")}
        pages = folder.glob("*.md") if folder.name == "adr" else folder.glob("[!a]*/*.md")
        missing = {page.name for page in pages if page.name != "README.md" and page.resolve() not in linked}
        assert not missing, f"{folder.name}/README.md does not name {missing}"


def test_decisions_have_numbers_of_their_own_and_are_called_alike_everywhere():
    pages = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    numbers = [page.name[:4] for page in pages]
    assert len(numbers) == len(set(numbers))
    index = (ROOT / "docs" / "adr" / "README.md").read_text()
    for page, number in zip(pages, numbers, strict=True):
        title = page.read_text().partition("\n")[0].removeprefix(f"# {number} ")
        assert f"| [{number}]({page.name}) | {title} |\n" in index


@pytest.mark.parametrize("text", blocks("yaml"))
def test_definitions_are_valid(text):
    checked = config_file.check("n", text, SECRETS) if "\ntargets:" in text else check("example", text)
    assert checked.problems == ()


@pytest.mark.parametrize("text", blocks("json"))
def test_events_are_valid_and_name_every_field(text):
    record = json.loads(text)
    name = next(name for field, name in KINDS.items() if field in record)
    schema = json.loads((ROOT / "schemas" / "avro" / f"{name}.avsc").read_text())
    assert list(record) == [field["name"] for field in schema["fields"]]
    if name in {"prediction", "ground_truth"}:
        topic = {"prediction": "predictions", "ground_truth": "ground-truth"}[name]
        result = decode_messages(topic, [Message(topic, 0, 0, None, text.encode())])
        assert not result.refused
        assert [len(batch) for batch, _ in result.batches] == [1]
    else:
        output = Output(name.replace("_", "-") + ("s" if name in OUTPUTS else ""), b"credit", record)
        for form in ("json", "avro"):
            assert decode_output(*encode_output(output, form)) == record


#: A field that tells the kind of an event, and the event's schema; the first that is there counts.
KINDS = {
    "kind": "control",
    "alert_id": "alert",
    "new_version": "retrain_status",
    "request_id": "retrain_request",
    "reason": "dead_letter",
    "window": "metric",
    "label": "ground_truth",
    "prediction": "prediction",
}
OUTPUTS = {"alert", "metric", "retrain_request", "dead_letter"}


@pytest.mark.parametrize("text", blocks("console"))
def test_commands_run_or_say_why_not(text, tmp_path, monkeypatch):
    write_files_of_the_examples(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    commands = [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]
    assert commands
    for command in commands:
        words = shlex.split(command)
        reasons = [reason for known, reason in NOT_RUN.items() if command.startswith(known)]
        if words[0] == "streamgauge":
            build_parser(words[1]).parse_args(words[1:])  # exits if there is no such command or argument
            assert reasons or main(words[1:]) == 0
        elif words[0] == "make":
            assert re.search(rf"(?m)^{re.escape(words[1])}:", (ROOT / "Makefile").read_text())
            assert reasons
        else:
            assert reasons, f"who runs `{command}`?"


def write_files_of_the_examples(folder):
    """Definitions, predictions and labels in several formats, from the pages themselves; some profiles."""
    fence = r"(?ms)^```{}\n(.*?)^```$"
    definitions = re.search(fence.format("yaml"), (ROOT / "docs/reference/monitors.md").read_text())
    events = re.findall(fence.format("json"), (ROOT / "docs/reference/topics.md").read_text())
    (folder / "monitors.yaml").write_text(definitions[1])
    for name, event in zip(("predictions", "labels"), events, strict=False):
        (folder / f"{name}.jsonl").write_text(json.dumps(json.loads(event)) + "\n")
    (folder / "stricter.yaml").write_text(definitions[1])
    notifier = re.search(fence.format("yaml"), (ROOT / "docs/how-to/notify.md").read_text())
    (folder / "notifier.yaml").write_text(notifier[1])
    tables = re.findall(fence.format("csv"), (ROOT / "docs/how-to/replay.md").read_text())
    for name, table in zip(("predictions", "labels"), tables, strict=True):
        (folder / f"{name}.csv").write_text(table)
    events = [json.loads((folder / "predictions.jsonl").read_text())]
    events[0]["time"] = datetime.fromisoformat(events[0]["time"])
    pq.write_table(pa.Table.from_pylist(events), folder / "predictions.parquet")
    for name in ("credit", "september", "october"):
        profile = build_profile({"age": np.arange(18.0, 78.0), "income": np.arange(60.0)})
        (folder / f"{name}.json").write_text(json.dumps(profile.to_json()))


@pytest.mark.parametrize("text", blocks("csv"))
def test_tables_of_the_examples_are_read_to_the_last_cell(text, tmp_path):
    path = tmp_path / "events.csv"
    path.write_text(text)
    topic = "ground-truth" if "label" in text.splitlines()[0] else "predictions"
    source = open_file(topic, path)
    [block] = source.blocks()
    assert source.unread == ()
    assert not block.decoded.refused
    assert len(block) == len(text.splitlines()) - 1


@pytest.mark.parametrize("text", [each for each in blocks("python") if "/tutorial/" not in each.id])
def test_python_examples_use_names_that_exist_and_run(text, monkeypatch):
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("streamgauge"):
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name), f"{node.module} has no {alias.name}"
    subscribed = [kind for name, kind in SUBSCRIPTIONS.items() if name in text]
    for kind in subscribed:  # they wait for events for ever, so only what they call is checked
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                owner = {"alerts": kind, "requests": kind, "alert": kind.event, "request": kind.event}
                if node.value.id in owner:
                    assert hasattr(owner[node.value.id], node.attr) or node.attr in fields_of(kind), node.attr
    if not subscribed and "Control(" not in text:
        monkeypatch.setenv("STREAMGAUGE_DISABLED", "1")  # everything but the sending
        exec(compile(tree, "example", "exec"), {})


def test_the_training_job_on_the_page_is_the_one_that_the_tests_run():
    page = (ROOT / "docs/how-to/train-anew.md").read_text()
    assert (ROOT / "examples/train_sklearn.py").read_text() in page


SUBSCRIPTIONS = {"AlertSubscription": AlertSubscription, "RetrainRequests": RetrainRequests}


def fields_of(subscription):
    return {field.name for field in dataclasses.fields(subscription.event)}


def table(page, heading):
    """The first column of the table under a heading, without its code marks."""
    text = (ROOT / page).read_text()
    section = re.split(r"(?m)^## ", text if heading is None else text.split(f"\n## {heading}\n")[1])[0]
    rows = re.findall(r"(?m)^\| (.+?) \| ?(.*?) ?\|", section)[1:]
    return {name.replace("`", ""): value.replace("`", "") for name, value in rows if not name.startswith("-")}


def test_every_command_and_verb_has_its_row():
    rows = table("docs/reference/command-line.md", None)
    assert list(rows) == [command.name for command in COMMANDS]
    for name, said in rows.items():
        for action in build_parser(name)._subparsers._group_actions[0].choices[name]._actions:
            for verb in getattr(action, "choices", None) or () if action.dest == "verb" else ():
                assert verb in said, f"{name} {verb} is not in its row"


@pytest.mark.parametrize(
    ("page", "heading"),
    [
        ("docs/reference/topics.md", "Why events are refused"),
        ("docs/how-to/dead-letters.md", "What each reason means, and what to do"),
    ],
)
def test_the_reasons_are_all_there(page, heading):
    assert list(table(page, heading)) == [reason.value for reason in Reason]


def test_the_limits_are_those_of_the_code():
    text = ", ".join(table("docs/reference/topics.md", "Limits").values()).replace(",", "")
    assert [int(number) for number in text.split()] == list(Limits().__getstate__())


def names_in(rows):
    return {part.strip().split(".")[0] for name in rows for part in name.split(",") if part.strip()[0] != "."}


@pytest.mark.parametrize(
    ("heading", "model"), [("A model", MonitorDefinition), ("A monitor's rule", Rule), ("The fleet", Fleet)]
)
def test_every_field_of_a_definition_has_its_row(heading, model):
    assert names_in(table("docs/reference/monitors.md", heading)) == set(model.model_fields)


def test_every_monitor_has_a_runbook_in_the_form_of_all():
    folder = ROOT / "docs/runbooks"
    names = {*BUILT_IN, *OF_THE_NOTIFIER, *METRICS, "ndcg_at_5"}
    pages = {page.stem for page in folder.glob("*.md")} - {"README"}
    assert pages == {page_of(name) for name in names}
    listed = [target.removesuffix(".md") for target in links(folder / "README.md") if "/" not in target]
    assert sorted(listed) == sorted(pages)
    for page in pages:
        headings = re.findall(r"(?m)^#+ (.+)$", (folder / f"{page}.md").read_text())
        assert headings[1:] == ["Look first", "Usual causes", "What to do", "If it is expected"], page
        named = set(re.findall(r"--match monitor=(\w+)", (folder / f"{page}.md").read_text()))
        assert named <= {page, "accuracy"}, page


def test_commands_within_the_text_of_runbooks_exist():
    for page in (ROOT / "docs/runbooks").glob("*.md"):
        for command in re.findall(r"`streamgauge ([^`]+)`", page.read_text()):
            words = shlex.split(command)
            if words != ["compare"] and words[:2] != ["monitors", "retire"]:
                build_parser(words[0]).parse_args(words)


def test_every_name_of_a_monitor_is_there():
    page = (ROOT / "docs/reference/monitors.md").read_text()
    section = page.split("\n## Monitors\n")[1].split("\n## ")[0]
    names = set(re.findall(r"`(\w+)`", section)) - {"monitors", "min", "max", "share"}
    others = {MISSING_LABELS, STALE_BASELINE, UNANSWERED, BLOCKED, COMPARISON, SAMPLE_RATIO}
    assert names == METRICS | {*EVIDENCE, *OBJECTIVES, *ERROR_DETECTORS} | others


def test_settings_and_their_defaults_are_those_of_the_code():
    page = "docs/reference/settings.md"
    kafka, logger, worker = (table(page, h) for h in ("Kafka", "The prediction logger", "The worker"))
    defaults = {name.upper(): field.default for name, field in WorkerSettings.model_fields.items()}
    settings = {name: "" if default is None else default for name, default in defaults.items()}
    assert names_in(kafka) | set(worker) == set(settings)
    assert worker == {name: str(settings[name]) for name in worker}
    assert logger == {k.upper(): str(v).lower() for k, v in dataclasses.asdict(LoggerSettings()).items()}


def test_the_states_of_alerts_are_those_of_the_code():
    page = (ROOT / "docs/reference/semantics.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if "**" in line]
    said = {row[0].strip("`"): row[2:] for row in rows if len(row) == 6}
    columns = (State.NONE, State.OPENED, State.UPDATED, State.ACKNOWLEDGED)
    told = {event: row for event, row in TRANSITIONS.items() if any(loud for _, loud in row.values())}
    assert said == {event.value: [_cell(row.get(state)) for state in columns] for event, row in told.items()}


def _cell(following):
    if following is None:
        return ""
    state, loud = following
    return f"**{state}**" if loud else state.value


def test_defaults_are_those_of_the_code():
    defaults = json.loads(MonitorDefinition(model="m").model_dump_json())
    for name, said in table("docs/reference/monitors.md", "A model").items():
        value = defaults
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, str | int | float) and name != "model":
            assert said == str(value).lower(), name


def test_every_field_of_the_notifiers_file_has_its_row_and_its_default():
    page = (ROOT / "docs/reference/notifier.md").read_text()
    routes = table("docs/reference/notifier.md", "A route")
    assert list(routes) == [field.alias or name for name, field in Route.model_fields.items()]
    assert list(table("docs/reference/notifier.md", "A hand-over")) == list(HandOver.model_fields)
    assert list(table("docs/reference/notifier.md", "The file")) == list(NotifierConfig.model_fields)
    section = page.split("\n## Targets\n")[1].split("\n## ")[0]
    documented, kind = {}, ""
    for row in re.findall(r"(?m)^\| (`?[\w-]*`?) ?\| (`.+?`) \| ?(.*?) ?\|", section):
        kind = row[0].strip("`") or kind
        names, defaults = (re.findall(r"`(.+?)`", cell) for cell in row[1:])
        documented |= {(kind, name): defaults[n : n + 1] for n, name in enumerate(names)}
    assert documented.pop(("all", "expire")) == ["1d"]
    fields = {
        (kind, name): field.default
        for kind, model in TARGETS.items()
        for name, field in model.model_fields.items()
        if name not in ("kind", "expire")
    }
    assert set(documented) == set(fields)
    for at, said in documented.items():
        default = getattr(fields[at], "get_secret_value", lambda at=at: fields[at])()
        assert said in ([], [format_duration(default) if at[1] in ("resend", "timeout") else str(default)]), (
            at
        )


def test_every_field_of_a_template_is_there():
    page = (ROOT / "docs/reference/notifier.md").read_text()
    section = page.split("\n## Templates\n")[1].split("\n## ")[0]
    assert set(re.findall(r"`\$(\w+)`", section)) - {"name"} == set(wording.FIELDS)


def test_the_notifiers_metrics_are_those_of_its_registry():
    page = (ROOT / "docs/reference/notifier.md").read_text()
    rows = re.findall(r"(?m)^\| `(streamgauge_\w+)` \| (\w+) \| (.*?) ?\| (.+) \|$", page)
    registered = {
        f"{each._name}{'_total' if each._type == 'counter' else ''}": (
            each._type, ", ".join(f"`{label}`" for label in each._labelnames), each._documentation,
        )
        for each in vars(NotifierTelemetry()).values()
        if hasattr(each, "_labelnames")
    }  # fmt: skip
    assert {name: tuple(rest) for name, *rest in rows} == registered

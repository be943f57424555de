"""A password that somebody has pasted into a setting where none belongs is told by nobody."""

import logging
import re
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from streamgauge.cli.main import main
from streamgauge.clients.logger import PredictionLogger
from streamgauge.clients.reach import LIBRDKAFKA
from streamgauge.schemas.errors import StreamgaugeError
from streamgauge.streams.logs import _LIBRARIES
from streamgauge.streams.settings import load_settings

MARK = "canary-5d20e7"
PAGE = Path(__file__).parents[2] / "docs/reference/settings.md"
SETTINGS = sorted(
    {f"STREAMGAUGE_{name}" for row in re.findall(r"(?m)^\| (`[^|]*`) \|", PAGE.read_text())
     for name in re.findall(r"`([A-Z_]+)`", row)} | {"STREAMGAUGE_HASH_KEY"}
)  # fmt: skip
VALUES = {
    "an address of Kafka": f"app:{MARK}@127.0.0.1:1",
    "a URL": f"https://app:{MARK}@127.0.0.1:1/token?token={MARK}",
    "a query": f"127.0.0.1:1?password={MARK}",
    "commas and spaces": f"app:p,{MARK} @127.0.0.1:1",
    "a configuration of Java's": f'required username="app" password="{MARK}";',
}
COMMANDS = [
    ["worker"],
    ["doctor", "--json"],
    ["topics", "show", "--json"],
    ["alerts", "list", "--json"],
    ["monitors", "validate", "monitors.yaml"],
    ["notifier", "--check"],
]


@pytest.fixture(autouse=True)
def _a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Definitions, and a broker that cannot be reached at once."""
    (tmp_path / "monitors.yaml").write_text("model: credit\nmetrics: {f2: {metric: river.metrics.FBeta}}\n")
    target = "targets: {chat: {kind: slack, url: https://example.org/}}\nroutes: [{to: chat}]\n"
    (tmp_path / "notifier.yaml").write_text(target)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STREAMGAUGE_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setattr("streamgauge.clients.reach.REACH_S", 0.0)
    monkeypatch.setattr("streamgauge.clients.reach._ATTEMPT_S", 0.05)
    # what `main` and `worker` do to the logs of their process
    monkeypatch.setattr(LIBRDKAFKA, "propagate", True)
    monkeypatch.setattr(LIBRDKAFKA, "handlers", [])
    levels = [logging.getLogger(name) for name in (None, "streamgauge", *_LIBRARIES)]
    before = [(logger, logger.level) for logger in levels]
    monkeypatch.setattr(logging.root, "handlers", logging.root.handlers)
    yield
    for logger, level in before:
        logger.setLevel(level)
    structlog.reset_defaults()


def test_the_table_of_settings_is_read() -> None:
    assert len(SETTINGS) > 35
    assert "STREAMGAUGE_SSL_KEY_LOCATION" in SETTINGS


def told_by(words: list[str], capfd: pytest.CaptureFixture[str]) -> str:
    """All that a command says, and that it ends as one does."""
    try:
        code = main(words)
    except SystemExit as end:
        code = int(str(end.code))
    assert code in (0, 1, 2)
    told = capfd.readouterr()
    return told.out + told.err


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("setting", SETTINGS)
def test_no_command_tells_what_a_setting_holds(
    setting: str, value: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(setting, value)
    for words in COMMANDS:
        told = told_by(words, capfd)
        assert MARK not in told, words
        assert "Traceback" not in told, words


@pytest.mark.parametrize("value", [text for text in VALUES.values() if " @" not in text])
@pytest.mark.parametrize("words", [["worker", "--bootstrap-servers"], ["worker"], ["send"], ["budget"], []])
def test_nor_do_flags_and_wrong_use(words: list[str], value: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert MARK not in told_by([*words, value], capfd)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("setting", SETTINGS)
def test_the_logger_tells_it_to_no_serving_app(
    setting: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("STREAMGAUGE_CLOSE_TIMEOUT_S", "0")
    monkeypatch.setenv(setting, value)
    told = []
    try:
        with PredictionLogger("credit", version="7", hashed=["job"]) as logger:
            told.append(repr(logger))
            logger.predict("approved", {"job": "clerk"})
    except StreamgaugeError as error:
        told += traceback.format_exception(error)  # as an app would log it
    captured = capfd.readouterr()
    assert MARK not in "".join([*told, caplog.text, captured.out, captured.err])


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("setting", SETTINGS)
def test_no_connection_has_it_in_its_repr(setting: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(setting, value)
    try:
        told = repr(load_settings({}).connection)
    except StreamgaugeError as error:
        told = "".join(traceback.format_exception(error))
    assert MARK not in told

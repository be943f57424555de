"""Fixtures of tests with a real broker."""

import pytest

from streamgauge.cli.main import main
from tests.harness import Command


@pytest.fixture
def command(
    broker: str, prefix: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Runs one command; its exit code, output and errors."""
    monkeypatch.setenv("STREAMGAUGE_BOOTSTRAP_SERVERS", broker)
    monkeypatch.setenv("STREAMGAUGE_TOPIC_PREFIX", prefix)

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(list(words))
        return code, *capsys.readouterr()

    return run

"""Fixtures of tests with a real broker."""

import os
from collections.abc import Iterator

import pytest

from streamgauge.cli.main import main
from tests.apicurio import NoRegistryError, Registry, ensure_registry
from tests.harness import Command


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A real schema registry. Without one the test is skipped, and the last lines say why; in CI it fails."""
    running = None
    try:
        ensure_registry()
        running = Registry(tmp_path_factory.mktemp("registry"))
        running.start()
        yield running
    except NoRegistryError as why:
        message = f"no real schema registry: {why}"
        if os.environ.get("CI") == "true":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    finally:
        if running is not None:
            running.stop()


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

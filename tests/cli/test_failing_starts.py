"""A worker or notifier that cannot start says why, and nothing of its secrets."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

CANARY = "canary-5d20e7"
SECRETS = {
    "STREAMGAUGE_SASL_USERNAME": "worker",
    "STREAMGAUGE_SASL_PASSWORD": f"{CANARY}-sasl",
    "STREAMGAUGE_SSL_KEY_PASSWORD": f"{CANARY}-key",
    "STREAMGAUGE_HEALTH_TOKEN": f"{CANARY}-token",
    "STREAMGAUGE_LOG_LEVEL": "debug",
}
NOTIFIER = f"""\
targets:
  chat: {{kind: slack, url: "https://user:{CANARY}@example.org/"}}
routes: [{{to: chat}}]
"""


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def start(words: list[str], environment: Mapping[str, str], folder: Path) -> tuple[int, str]:
    """Exit code, and all that it said."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("STREAMGAUGE_")}
    given = {"STREAMGAUGE_BOOTSTRAP_SERVERS": f"127.0.0.1:{unused_port()}", **SECRETS, **environment}
    done = subprocess.run(
        [sys.executable, "-m", "streamgauge", *words],
        env=inherited | given, cwd=folder, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "cannot reach Kafka"),
        ({"STREAMGAUGE_LOG_FORMAT": "text"}, "cannot reach Kafka"),
        ({"STREAMGAUGE_SESSION_TIMEOUT_S": "soon"}, "STREAMGAUGE_SESSION_TIMEOUT_S"),
        ({"STREAMGAUGE_SASL_MECHANISM": "GSSAPI"}, "OAUTHBEARER"),
        ({"STREAMGAUGE_SASL_MECHANISM": "OAUTHBEARER"}, "STREAMGAUGE_SASL_TOKEN_URL"),
        ({"STREAMGAUGE_SASL_TOKEN_URL": "http://127.0.0.1:1/token"}, "no token: http://127.0.0.1:1/token"),
        ({"STREAMGAUGE_SASL_USERNAME": "", "STREAMGAUGE_SECURITY_PROTOCOL": "SASL_SSL"}, "SASL needs both"),
        ({"STREAMGAUGE_SSL_CA_LOCATION": "no-such-file"}, "no-such-file"),
        (
            {"STREAMGAUGE_SSL_CERTIFICATE_LOCATION": "mine", "STREAMGAUGE_SSL_KEY_LOCATION": "mine"},
            "and the key",
        ),
        ({"STREAMGAUGE_SSL_CA_LOCATION": "mine"}, "no certificates"),
        ({"STREAMGAUGE_STATE_DIR": "mine/inside"}, "cannot be written"),
    ],
)
def test_a_worker_that_cannot_start_tells_no_secret(wrong: dict[str, str], said: str, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("neither a certificate nor a folder")
    code, shown = start(["worker"], wrong, tmp_path)
    assert code in (1, 2)
    assert said in shown
    assert CANARY not in shown


@pytest.mark.parametrize("words", [["notifier"], ["notifier", "--check"], ["doctor"], ["alerts", "list"]])
def test_other_commands_that_fail_tell_none_either(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "notifier.yaml").write_text(NOTIFIER.replace("kind: slack", "kind: slack, expires: 1d"))
    code, shown = start(words, {}, tmp_path)
    assert code in (1, 2)
    assert shown
    assert CANARY not in shown


def test_a_notifier_that_does_not_reach_kafka_tells_none(tmp_path: Path) -> None:
    (tmp_path / "notifier.yaml").write_text(NOTIFIER)
    code, shown = start(["notifier", "--health-port", "0"], {}, tmp_path)
    assert code in (1, 2)
    assert "cannot reach Kafka" in shown
    assert CANARY not in shown

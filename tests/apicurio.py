"""A real schema registry for tests: Apicurio's, with the interface of Confluent's, on Java 17."""

import fcntl
import shutil
import signal
import subprocess
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

from tests.harness import wait_until
from tests.kafka_process import ROOT, free_ports

VERSION = "3.0.9"
ARTIFACT = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"
FOLDER = ROOT / ".kafka" / f"apicurio-{VERSION}"


class NoRegistryError(Exception):
    """No real schema registry can be had here; the message says why."""


class Registry:
    """Its schemas are in `directory`; it can be stopped, and started again with them at the same address."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        [port] = free_ports(1)
        self.url = f"http://127.0.0.1:{port}/apis/ccompat/v7"
        options = {
            "quarkus.http.host": "127.0.0.1",
            "quarkus.http.port": port,
            "quarkus.log.level": "WARN",
            "apicurio.datasource.url": f"jdbc:h2:file:{directory / 'registry'}",
        }
        self._command = [
            "java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
            *(f"-D{key}={value}" for key, value in options.items()),
            "-jar", str(FOLDER / f"apicurio-registry-app-{VERSION}-runner.jar"),
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._directory / "registry.log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, start_new_session=True)
        wait_until(self._answers, saying="the schema registry answers")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(30)
            self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise NoRegistryError((self._directory / "registry.log").read_text()[-1_000:])
        try:
            urllib.request.urlopen(f"{self.url}/schemas/types", timeout=2).close()
        except (urllib.error.URLError, OSError):
            return False
        return True


def ensure_registry() -> None:
    """Fetched once with Maven; several test processes may ask at once."""
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            raise NoRegistryError(f"no {tool}, which fetches and runs Apicurio Registry")
    FOLDER.parent.mkdir(exist_ok=True)
    with (FOLDER.parent / "registry-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (FOLDER / "complete").exists():
            return
        command = [
            "mvn",
            "-q",
            "-B",
            "dependency:copy",
            f"-Dartifact={ARTIFACT}",
            f"-DoutputDirectory={FOLDER}",
        ]
        try:
            done = subprocess.run(command, cwd=FOLDER.parent, capture_output=True, timeout=280, check=False)
        except subprocess.TimeoutExpired:
            raise NoRegistryError("mvn did not fetch Apicurio Registry within 280 s") from None
        if done.returncode:
            raise NoRegistryError(f"mvn could not fetch Apicurio Registry: {done.stdout.decode()[-500:]}")
        packed = FOLDER / f"apicurio-registry-app-{VERSION}-all.tar.gz"
        with tarfile.open(packed) as archive:
            archive.extractall(FOLDER, filter="data")
        packed.unlink()
        (FOLDER / "complete").touch()

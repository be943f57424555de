"""Kafka's own jars on Java 17: fetched once, and run as processes that a test may kill."""

import fcntl
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.harness import wait_until

ROOT = Path(__file__).resolve().parents[1]
JARS = ROOT / ".kafka" / "libs"
#: Kafka's classes as Java has them in memory: 2.8 s of a processor instead of 4.8 until a broker has started.
CLASSES = ROOT / ".kafka" / "classes.jsa"
POM = Path(__file__).parent / "kafka" / "pom.xml"


class NoBrokerError(Exception):
    """No real broker can be had here; the message says why."""


class JarProcess:
    """One node of a cluster, formatted with the words of `formatting`, its data in `directory`."""

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, object],
        cluster: str,
        *formatting: str,
        heap: str = "512m",
    ) -> None:
        self._directory = directory
        self._heap = heap
        self._properties = directory / "server.properties"
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        settings = {"log.dirs": directory / "data"} | dict(settings)
        self._properties.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        command = java(
            "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._properties), *formatting
        )
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            raise NoBrokerError(f"formatting failed: {(done.stdout + done.stderr).decode()[-500:]}")

    def start(self, *options: str) -> None:
        """With further options of Java's."""
        command = java("kafka.Kafka", str(self._properties), heap=self._heap, options=options)
        with (self._directory / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def kill(self) -> None:
        """SIGKILL: it writes nothing more."""
        self._end(signal.SIGKILL)

    def stop(self, seconds: float = 20) -> int | None:
        """SIGTERM, and SIGKILL if it has not ended by then; its exit code, None if it did not run."""
        return self._end(signal.SIGTERM, seconds)

    def _end(self, how: signal.Signals, seconds: float = 20) -> int | None:
        if self._process is None:
            return None
        self._process.send_signal(how)
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._process = None
        return code


def ensure_jars() -> None:
    """Kafka's jars in `.kafka/libs`, fetched once with Maven; several test processes may ask at once."""
    if shutil.which("java") is None:
        raise NoBrokerError("no Docker, and no java (17 or newer) to run Kafka's jars")
    JARS.parent.mkdir(exist_ok=True)
    complete = JARS.parent / f"complete-{POM.stat().st_size}"
    with (JARS.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if complete.exists():
            return
        if shutil.which("mvn") is None:
            raise NoBrokerError("no Docker, and no mvn to fetch Kafka's jars")
        command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
        try:
            done = subprocess.run(
                [*command, f"-DoutputDirectory={JARS}"], capture_output=True, timeout=280, check=False
            )
        except subprocess.TimeoutExpired:
            raise NoBrokerError("mvn did not fetch Kafka's jars within 280 s") from None
        if done.returncode:
            raise NoBrokerError(f"mvn could not fetch Kafka's jars: {done.stdout.decode()[-500:]}")
        CLASSES.unlink(missing_ok=True)
        _keep_classes()
        complete.touch()


def _keep_classes() -> None:
    """Run a node once, and write down (`CLASSES`) what it loaded. Java ignores what does not fit its jars."""
    broker, controller = free_ports(2)
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
        "listeners": f"PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}",
        "controller.listener.names": "CONTROLLER",
    }
    with tempfile.TemporaryDirectory(dir=CLASSES.parent) as folder:
        node, made = JarProcess(Path(folder), settings, kafka_uuid(), "--standalone"), Path(folder) / "made"
        node.start("-XX:+IgnoreUnrecognizedVMOptions", f"-XX:ArchiveClassesAtExit={made}")
        try:
            wait_until(lambda: _listens(broker), saying="Kafka has started")
        finally:
            code = node.stop(60)
        if code == 128 + signal.SIGTERM and made.exists():
            made.rename(CLASSES)


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def java(main_class: str, *arguments: str, heap: str = "512m", options: Sequence[str] = ()) -> list[str]:
    """The command that runs one of Kafka's main classes."""
    options = [f"-Xmx{heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *options]
    if CLASSES.exists():
        options += ["-XX:+IgnoreUnrecognizedVMOptions", f"-XX:SharedArchiveFile={CLASSES}"]
    return ["java", *options, "-cp", f"{JARS}/*", main_class, *arguments]


def kafka_uuid() -> str:
    """An id of a cluster."""
    text = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return "A" + text[1:]  # one in 64 would begin with "-", which is read as an option


#: Below those that systems give to outgoing connections: while a broker is down, a client that connects to it
#: again and again could be given its very port, and the broker could not come back.
_PORTS = range(15_000, 32_000)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    found: list[socket.socket] = []
    while len(found) < count:
        with suppress(OSError):
            found.append(socket.create_server(("127.0.0.1", random.choice(_PORTS))))
    ports = [s.getsockname()[1] for s in found]
    for s in found:
        s.close()
    return ports

"""The embedded broker: librdkafka's mock Kafka cluster in a process of its own. Not durable.

For the demo, first steps and fast tests. It serves one worker and any number of clients, transactions
included, but without isolation or fencing. A partition holds its last 100,000 messages or 5 MB, and the cost
grows with what is stored: send columnar messages, or linger 100 ms or more.
"""

import subprocess
import sys
from collections.abc import Iterable
from ctypes import c_char_p, c_int, c_size_t, c_void_p, create_string_buffer

from streamgauge.schemas.errors import StreamgaugeError
from streamgauge.schemas.message import TOPICS
from streamgauge.streams.librdkafka import function

_PRODUCER = 0


class EmbeddedBroker:
    """A broker for as long as the context lasts; its topics exist from the start. Not durable.

    >>> with EmbeddedBroker(prefix="demo.", partitions=2) as broker:
    ...     broker.bootstrap_servers.startswith("127.0.0.1:")
    True
    """

    def __init__(self, *, prefix: str = "streamgauge.", partitions: int = 4) -> None:
        self.bootstrap_servers = ""
        self._arguments = [str(partitions), *(prefix + name for name in TOPICS)]
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "EmbeddedBroker":
        self._process = subprocess.Popen(
            [sys.executable, "-m", "streamgauge.streams.embedded", *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a Ctrl-C in the terminal must not end the broker before its clients
        )
        assert self._process.stdout is not None
        self.bootstrap_servers = self._process.stdout.readline().strip()
        if not self.bootstrap_servers:
            self.__exit__()
            raise StreamgaugeError("the embedded broker did not start; its message is above")
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.communicate()  # closes its standard input, which ends it
            self._process = None


def serve(partitions: int, topics: Iterable[str]) -> None:
    """Serve `topics` until standard input ends: so it never outlives whoever started it."""
    message = create_string_buffer(512)
    conf = function("rd_kafka_conf_new", c_void_p)()
    # only a warning that there is no broker to connect to, which is as it should be
    function("rd_kafka_conf_set", c_int, c_void_p, c_char_p, c_char_p, c_char_p, c_size_t)(
        conf, b"log_level", b"3", message, len(message)
    )
    client = function("rd_kafka_new", c_void_p, c_int, c_void_p, c_char_p, c_size_t)(
        _PRODUCER, conf, message, len(message)
    )
    if not client:
        raise StreamgaugeError(message.value.decode())
    cluster = function("rd_kafka_mock_cluster_new", c_void_p, c_void_p, c_int)(client, 1)
    create = function("rd_kafka_mock_topic_create", c_int, c_void_p, c_char_p, c_int, c_int)
    for topic in topics:
        if create(cluster, topic.encode(), partitions, 1):
            raise StreamgaugeError(f"the embedded broker refused the topic {topic}")
    print(function("rd_kafka_mock_cluster_bootstraps", c_char_p, c_void_p)(cluster).decode(), flush=True)  # noqa: T201
    sys.stdin.read()


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2:])

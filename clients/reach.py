"""Whether Kafka can be reached: found out before anything else is asked of it, and said in words.

librdkafka retries a broker that does not answer for ever, and writes a line about each attempt to standard
error. Here its lines go to a Python logger, each kind once a minute, and its errors become one of ours.
"""

import logging
import re
import time
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from streamgauge.clients.connection import Connection
from streamgauge.schemas.errors import AdvisedError

LOG = logging.getLogger("streamgauge.clients")
#: Where librdkafka's own lines go; silence or raise it like any logger.
LIBRDKAFKA = logging.getLogger("streamgauge.clients.librdkafka")

#: How long a broker may take to answer the first question.
REACH_S = 5.0
_ATTEMPT_S = 1.0
_QUIET_S = 60.0

#: Waiting does not help against these.
_HOPELESS = frozenset([KafkaError._AUTHENTICATION, KafkaError._SSL, KafkaError._BAD_MSG])
_UNTRUSTED = frozenset([KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED])
#: Of these librdkafka says neither "retriable" nor "fatal", and they pass.
_PASSING = frozenset([KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT])
_ADVICE = {
    KafkaError._RESOLVE: "there is no such host: check STREAMGAUGE_BOOTSTRAP_SERVERS",
    KafkaError._AUTHENTICATION: "the credentials are refused: check STREAMGAUGE_SASL_USERNAME, "
    "STREAMGAUGE_SASL_PASSWORD and STREAMGAUGE_SASL_MECHANISM",
    KafkaError._SSL: "TLS fails: check STREAMGAUGE_SSL_CA_LOCATION, and that this is the broker's TLS port",
    KafkaError._BAD_MSG: "what listens there does not speak Kafka's protocol, or wants another "
    "STREAMGAUGE_SECURITY_PROTOCOL",
}
_TOKEN = (
    "the broker refuses the token: its issuer and audience must be those that the broker expects, which may "
    "need another STREAMGAUGE_SASL_TOKEN_SCOPE"
)
_NO_TOKEN = "check STREAMGAUGE_SASL_TOKEN_URL, and what its authorization server says of it"
_REFUSED = "nothing listens there: start Kafka, or set STREAMGAUGE_BOOTSTRAP_SERVERS to where it is"
_DISCONNECTED = "it hangs up: the port may want another STREAMGAUGE_SECURITY_PROTOCOL"
_SILENT = "check STREAMGAUGE_BOOTSTRAP_SERVERS, and what stands between: a firewall drops packets in silence"


class UnreachableError(AdvisedError):
    """No broker answers, or none lets us in. `cause` is what librdkafka says of it, `advice` what to do."""

    def __init__(self, servers: str, cause: str, advice: str) -> None:
        super().__init__(cause, advice, where=f"cannot reach Kafka at {servers}: ")


class Reach:
    """What one client hears of its brokers. Make the client with it, and ask `check` before anything else.

    >>> from confluent_kafka import Producer
    >>> reach = Reach(Connection("localhost:9092"))
    >>> client = Producer(reach.config({"bootstrap.servers": "localhost:9092"}), logger=reach)
    """

    def __init__(self, connection: Connection) -> None:
        self._servers = connection.bootstrap_servers
        self._protocol = connection.protocol
        self._endpoint = connection.token_endpoint
        self._cause: KafkaError | None = None
        self._line = ""
        self._reached = False
        self._told_s = -_QUIET_S

    def config(self, config: dict[str, Any]) -> dict[str, Any]:
        """The client's configuration, with errors coming here.

        Raises `UnreachableError` if no token is to be had: librdkafka would try for a minute, and a client
        that tries cannot be closed.
        """
        if self._endpoint is not None:
            # brings HTTP, which nobody else wants
            from streamgauge.clients.tokens import TokenError, request_token

            try:
                request_token(self._endpoint, REACH_S)
            except TokenError as error:
                raise UnreachableError(self._servers, error.cause, error.advice) from None
        return config | {"error_cb": self._note}

    def log(self, level: int, form: str, *words: object) -> None:
        """A line of librdkafka's: it calls this as a logger's. Some failures are in its lines only."""
        if words[:1] == ("FAIL",):
            self._line = str(words[-1])
        LIBRDKAFKA.log(level, form, *map(self._without_query, words))

    def check(self, client: Any) -> None:
        """Return once a broker has answered; raises `UnreachableError` after `REACH_S` at the latest."""
        if not self._reached:
            self.metadata(client)

    def metadata(self, client: Any) -> Any:
        """The cluster's metadata, as `list_topics` gives it. Raises as `check`."""
        deadline = time.monotonic() + REACH_S
        while True:
            try:
                metadata = client.list_topics(timeout=_ATTEMPT_S)
            except KafkaException:
                client.poll(0)  # brings the errors since
                hopeless = self._cause is not None and self._cause.code() in _HOPELESS
                if hopeless or time.monotonic() + _ATTEMPT_S > deadline:
                    raise self._unreachable() from None
            else:
                self._reached = True
                return metadata

    def lost(self, error: KafkaError) -> UnreachableError:
        """For a request that failed although a broker had answered before."""
        return UnreachableError(self._servers, plain(error.str()), "it answered before: try again")

    def _note(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._cause = error
        elif self._reached and time.monotonic() - self._told_s > _QUIET_S:
            self._told_s = time.monotonic()
            LOG.warning("streamgauge: Kafka at %s went away (%s); trying again", self._servers, self._said())

    def _said(self) -> str:
        return self._without_query(plain(self._line if self._cause is None else self._cause.str()))

    def _without_query(self, word: object) -> str:
        """librdkafka tells the token endpoint's address in full."""
        text = str(word)
        return text if self._endpoint is None else text.replace(self._endpoint.url, self._endpoint.shown)

    def _unreachable(self) -> UnreachableError:
        cause = self._said() or f"no answer within {REACH_S:.0f} s"
        advice = _SILENT if self._cause is None else _ADVICE.get(self._cause.code(), _SILENT)
        if self._endpoint is not None and self._cause is not None and self._cause.code() in _UNTRUSTED:
            advice = _NO_TOKEN if "Failed to acquire" in cause else _TOKEN
        elif "Connection refused" in cause:
            advice = _REFUSED
        elif "Disconnected" in cause:
            advice = f"{_DISCONNECTED} (now {self._protocol})"
        return UnreachableError(self._servers, cause, advice)


def passes(error: KafkaError) -> bool:
    """Whether it is likely to be over soon by itself: a broker that starts again, a leader that moves.

    >>> passes(KafkaError(KafkaError._TRANSPORT)), passes(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    (True, False)
    """
    return bool(error.retriable()) or error.code() in _PASSING


def plain(text: str) -> str:
    """librdkafka's words without its bookkeeping.

    >>> plain("b:1/bootstrap: Connect to ipv4#1.2.3.4:1 failed: Timed out (after 9ms in state CONNECT)")
    'Connect to 1.2.3.4:1 failed: Timed out'
    >>> plain("GroupCoordinator: b:1: Disconnected: connection closed by peer")
    'Disconnected: connection closed by peer'
    """
    text = re.sub(r"^(?:\[thrd:\S+\]: )?(?:GroupCoordinator: )?(?:\S+:\d+(?:/\S+)?: )?", "", text)
    text = re.sub(r" \(after \d+ms in state \w+(?:, \d+ identical error\(s\) suppressed)?\)", "", text)
    return re.sub(r"ipv[46]#", "", text)


class _OnceAMinute(logging.Filter):
    """Of the same kind of line about the same client, one a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._last_s: dict[tuple[object, ...], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind = record.args[:2] if isinstance(record.args, tuple) else ()
        now_s = time.monotonic()
        if now_s - self._last_s.get(kind, -_QUIET_S) < _QUIET_S:
            return False
        self._last_s[kind] = now_s
        return True


LIBRDKAFKA.addFilter(_OnceAMinute())

"""Tokens for Faust's Kafka client, which wants one at every connection: kept while it is good."""

import asyncio
import time
from threading import Lock

import structlog
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError

from streamgauge.clients.token_endpoint import TokenEndpoint
from streamgauge.clients.tokens import Token, TokenError, request_token

#: After a failure, before the next attempt: aiokafka tries to connect several times a second.
_AGAIN_S = 2.0

log = structlog.get_logger("streamgauge.worker")


class TokenProvider(AbstractTokenProvider):  # type: ignore[misc]
    """One token for all connections; for any thread and loop."""

    def __init__(self, endpoint: TokenEndpoint) -> None:
        self._endpoint = endpoint
        self._asking = Lock()
        self._held: Token | None = None
        self._trouble: TokenError | None = None
        self._again_s = 0.0

    async def token(self) -> str:
        """A token that the broker takes. Raises what aiokafka tries again after."""
        return await asyncio.to_thread(self._token)

    def extensions(self) -> dict[str, str]:
        """What goes to the broker with it."""
        return self._endpoint.extension_map()

    def _token(self) -> str:
        with self._asking:
            now_s = time.time()
            if now_s >= max(self._again_s, 0.0 if self._held is None else self._held.renew_s):
                self._renew(now_s)
            if self._held is not None and now_s < self._held.expires_s:
                return self._held.value
            raise KafkaConnectionError(str(self._trouble))

    def _renew(self, now_s: float) -> None:
        try:
            self._held = request_token(self._endpoint)
        except TokenError as error:
            if self._trouble is None:  # told once, until it is over
                left_s = 0 if self._held is None else max(0, round(self._held.expires_s - now_s))
                log.warning("no_token", cause=error.cause, advice=error.advice, held_for_s=left_s)
            self._trouble, self._again_s = error, now_s + _AGAIN_S
        else:
            if self._trouble is not None:
                log.info("token_again", trouble=self._trouble.cause)
            self._trouble = None

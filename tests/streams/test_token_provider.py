"""Tokens for Faust's Kafka client: one for many connections, and the one in hand while there is no other."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError
from structlog.testing import capture_logs

from streamgauge.clients.token_endpoint import TokenEndpoint
from streamgauge.streams.token_provider import TokenProvider
from tests.token_issuer import Issuer


class Clock:
    """What everybody takes for the time of day: later than it is, as a test wants it."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def time(self) -> float:
        return time.time() + self.ahead_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in ("streamgauge.streams.token_provider", "streamgauge.clients.tokens", "tests.token_issuer"):
        monkeypatch.setattr(f"{module}.time", made)
    return made


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    with Issuer(tmp_path, {"worker": "secret"}, lifetime_s=100) as running:
        yield running


@pytest.fixture
def provider(issuer: Issuer) -> TokenProvider:
    return TokenProvider(TokenEndpoint(issuer.url, "worker", "secret", extensions="cluster=a, pool=b"))


def test_connections_share_a_token_until_it_is_time_for_the_next(
    issuer: Issuer, provider: TokenProvider, clock: Clock
) -> None:
    async def connect_all() -> set[str]:
        return set(await asyncio.gather(*(provider.token() for _ in range(20))))

    [first] = asyncio.run(connect_all())
    clock.ahead_s = 75
    assert asyncio.run(connect_all()) == {first}  # in another loop, too
    assert len(issuer.asked) == 1
    clock.ahead_s = 85
    asyncio.run(connect_all())
    assert len(issuer.asked) == 2
    assert provider.extensions() == {"cluster": "a", "pool": "b"}


def test_while_there_is_no_other_the_token_in_hand_is_used_as_long_as_it_is_good(
    issuer: Issuer, provider: TokenProvider, clock: Clock
) -> None:
    first = asyncio.run(provider.token())
    issuer.failing = 503
    clock.ahead_s = 85
    with capture_logs() as logs:
        assert [asyncio.run(provider.token()) for _ in range(3)] == [first] * 3
        assert len(issuer.asked) == 2  # not asked again at once
        clock.ahead_s = 110
        for _ in range(3):
            with pytest.raises(KafkaConnectionError, match="answers 503; try again later"):
                asyncio.run(provider.token())
        assert len(issuer.asked) == 3
        issuer.failing = 0
        clock.ahead_s = 113
        assert asyncio.run(provider.token())
    assert [line["event"] for line in logs] == ["no_token", "token_again"]
    assert logs[0]["held_for_s"] in (14, 15)  # an end is in whole seconds
    assert "503" in logs[0]["cause"]

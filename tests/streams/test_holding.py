"""Messages that need a schema wait for it in order, one partition at a time, and the others go on."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, NoReturn

import pytest

from streamgauge.clients.registry_address import SchemaRegistry
from streamgauge.schemas.errors import BadEvent
from streamgauge.schemas.message import CONTROL, PREDICTIONS, Message
from streamgauge.schemas.registry import schema
from streamgauge.streams import holding, schema_lookup
from streamgauge.streams.holding import Holding
from streamgauge.streams.schema_lookup import SchemaLookup
from streamgauge.streams.telemetry import Telemetry
from tests.small_registry import SmallRegistry

JSON = b"{}"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallRegistry]:
    for name in ("_FIRST_PAUSE_S", "_LONGEST_PAUSE_S", "_SECOND_LOOK_S"):
        monkeypatch.setattr(schema_lookup, name, 0.02)
    registry = SmallRegistry()
    for number in (7, 8):
        registry.knows(number, schema("prediction").document)
    yield registry
    registry.close()


def framed(number: int, body: bytes = b"") -> bytes:
    return b"\x00" + number.to_bytes(4, "big") + body


class Bench:
    """A `Holding` with a registry, and what became of messages: `applied` by partition, in order."""

    def __init__(self, small: SmallRegistry) -> None:
        self.applied: list[tuple[int, int]] = []
        self.held: list[set[int]] = []
        self.telemetry = Telemetry()
        self.lookup = SchemaLookup(SchemaRegistry(small.url), self.telemetry)
        self.holding = Holding(self.lookup, self.take, self.held.append, self.fail)  # type: ignore[arg-type]
        self.offset = 0
        self.refused: list[str] = []

    def fail(self, cause: BaseException) -> NoReturn:
        raise AssertionError(cause)

    def take(self, number: int, messages: Sequence[Message]) -> None:
        for message in messages:
            self.applied.append((number, message.offset))
            if message.value is not None and message.value[:1] == b"\x00":
                try:
                    self.lookup.cache.resolve(int.from_bytes(message.value[1:5], "big"))
                except BadEvent as error:
                    self.refused.append(error.detail)
        self.holding.applied()

    def send(self, number: int, *values: bytes, topic: str = PREDICTIONS) -> None:
        for value in values:
            message = Message(topic, self.offset, 0, b"m", value)
            self.offset += 1
            if not self.holding.takes(number, message):
                self.take(number, [message])

    def lookups(self, outcome: str) -> float:
        return self.telemetry.schema_lookups.labels(outcome)._value.get()


async def until(condition: Callable[[], object]) -> None:
    async def look() -> None:
        while not condition():
            await asyncio.sleep(0.002)

    await asyncio.wait_for(look(), 20)


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def test_one_partition_waits_for_its_schema_in_order_and_the_others_go_on(small: SmallRegistry) -> None:
    async def story() -> None:
        bench = Bench(small)
        bench.send(1, JSON, framed(7), JSON)
        bench.send(1, JSON, topic=CONTROL)
        bench.send(2, JSON)
        bench.send(1, framed(8), framed(7))
        assert bench.applied == [(1, 0), (2, 4)]
        assert bench.holding.numbers == {1}
        assert bench.holding.trouble == ""
        await until(lambda: not bench.holding.numbers)
        assert bench.applied == [(1, 0), (2, 4), (1, 1), (1, 2), (1, 3), (1, 5), (1, 6)]
        assert small.asked == ["/schemas/ids/7", "/schemas/ids/8"]
        bench.send(1, framed(8), framed(7))  # known now, for good
        assert bench.applied[-2:] == [(1, 7), (1, 8)]
        assert (bench.refused, bench.held, bench.lookups("found")) == ([], [], 2)

    run(story())


def test_while_the_registry_is_away_nothing_is_refused_and_it_is_said_why(
    small: SmallRegistry,
) -> None:
    async def story() -> None:
        small.open_for_business = False
        bench = Bench(small)
        bench.send(1, framed(7))
        bench.send(2, framed(99))
        await until(lambda: bench.lookups("failed") >= 4)
        assert bench.applied == []
        assert bench.holding.trouble.startswith(
            f"partitions [1, 2] wait for a schema: the schema registry at {small.url} answers HTTP 503"
        )
        small.open_for_business = True
        await until(lambda: not bench.holding.numbers)
        assert sorted(bench.applied) == [(1, 0), (2, 1)]
        assert bench.refused == [f"schema id 99 is not known to the schema registry at {small.url}"]
        assert bench.holding.trouble == ""

    run(story())


def test_its_absence_and_its_return_are_each_logged_once(
    small: SmallRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []

    class Log:
        def __getattr__(self, level: str) -> Callable[..., None]:
            return lambda event, **fields: lines.append(event)

    monkeypatch.setattr(schema_lookup, "log", Log())

    async def story() -> None:
        small.open_for_business = False
        bench = Bench(small)
        bench.send(1, framed(7))
        bench.send(2, framed(8))
        await until(lambda: bench.lookups("failed") >= 6)
        small.open_for_business = True
        await until(lambda: not bench.holding.numbers)

    run(story())
    assert lines.count("schema_registry_away") == 1
    assert lines.count("schema_registry_back") == 1
    assert lines.count("schema_found") == 2


def test_in_quiet_times_an_unknown_id_is_looked_for_twice_for_registries_follow_each_other(
    small: SmallRegistry,
) -> None:
    async def story() -> None:
        bench = Bench(small)
        bench.send(1, framed(9))
        await until(lambda: small.asked)
        small.knows(9, schema("prediction").document)  # its sender has heard so already
        await until(lambda: not bench.holding.numbers)
        assert bench.refused == []
        bench.send(1, framed(55))
        await until(lambda: not bench.holding.numbers)
        bench.send(1, framed(55))
        assert len(bench.refused) == 2
        assert small.asked == ["/schemas/ids/9"] * 2 + ["/schemas/ids/55"] * 2

    run(story())


def test_a_flood_of_made_up_ids_stops_neither_its_partition_nor_the_registry(small: SmallRegistry) -> None:
    async def story() -> None:
        bench = Bench(small)
        count = 3_000
        for number in range(1_000, 1_000 + count):
            bench.send(1, framed(number))
            if number % 100 == 0:
                await asyncio.sleep(0)
        bench.send(1, framed(7))
        await until(lambda: not bench.holding.numbers)
        await until(lambda: len(bench.applied) == count + 1)
        assert bench.applied == [(1, offset) for offset in range(count + 1)]
        assert len(bench.refused) >= count
        assert len(small.asked) < 200

    run(story())


def test_no_more_is_fetched_for_a_partition_with_much_that_waits(
    small: SmallRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "_MOST_WAITING", 3)

    async def story() -> None:
        small.open_for_business = False
        bench = Bench(small)
        bench.send(5, framed(7), JSON)
        assert bench.held == []
        bench.send(5, JSON, JSON)  # Faust had this in hand
        assert bench.held == [{5}]
        small.open_for_business = True
        await until(lambda: not bench.holding.numbers)
        assert bench.held == [{5}, set()]
        assert bench.applied == [(5, n) for n in range(4)]

    run(story())


def test_what_waits_is_forgotten_in_a_rebalance_for_it_comes_again(small: SmallRegistry) -> None:
    async def story() -> None:
        small.open_for_business = False
        bench = Bench(small)
        bench.send(1, framed(7))
        bench.holding.clear()
        assert not bench.holding.numbers
        small.open_for_business = True
        bench.offset = 0
        bench.send(1, framed(7))
        await until(lambda: not bench.holding.numbers)
        assert bench.applied == [(1, 0)]

    run(story())


def test_an_id_inside_a_structured_cloudevent_is_waited_for_too(small: SmallRegistry) -> None:
    async def story() -> None:
        bench = Bench(small)
        envelope = json.dumps({"specversion": "1.0", "data_base64": "AAAAAAc="}).encode()
        headers = (("content-type", b"application/cloudevents+json"),)
        assert bench.holding.takes(1, Message(PREDICTIONS, 0, 0, b"m", envelope, headers))
        await until(lambda: not bench.holding.numbers)
        assert small.asked == ["/schemas/ids/7"]

    run(story())


def test_without_a_registry_nothing_waits(small: SmallRegistry) -> None:
    def never(*_: object) -> NoReturn:
        raise AssertionError

    none = Holding(None, never, never, never)
    assert not none.takes(1, Message(PREDICTIONS, 0, 0, b"m", framed(7)))
    assert (none.trouble, none.numbers) == ("", frozenset())

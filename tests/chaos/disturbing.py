"""What goes wrong in a chaos run: processes, broker, disk, clock, group, and orders of operators."""

import random
from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer

from streamgauge.schemas.encode import encode_prediction
from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS
from tests.chaos.batches import Batch
from tests.chaos.fleet import MOST
from tests.chaos.ordering import ORDERS
from tests.chaos.scale import Scale
from tests.chaos.sending import Kind, batch_numbers
from tests.chaos.world import World
from tests.kafka_broker import JarBroker


def kill(world: World, worker: int, away_s: float) -> None:
    """SIGKILL, and a new one comes."""
    world.fleet.kill(world.fleet.pick(worker), away_s)


def stop(world: World, worker: int) -> None:
    """SIGTERM, as a deployment does it: the end is graceful, and a new one comes."""
    code = world.fleet.stop(world.fleet.pick(worker))
    world.fleet.join()
    if code not in (0, 1, 3, -15):  # it failed or was displaced just then, or had hardly begun
        world.failures.append(f"a worker ended with {code} on SIGTERM")


def freeze(world: World, worker: int, seconds: float) -> None:
    """SIGSTOP for longer than the session, then SIGCONT: it still believes in its partitions."""
    frozen = world.fleet.pick(worker)
    frozen.pause()
    world.wait(seconds)
    frozen.cont()


def join(world: World) -> None:
    """One worker more, if there are not too many."""
    if len(world.fleet.members) < MOST:
        world.fleet.join()


def leave(world: World, worker: int) -> None:
    """One worker less, if there is another."""
    if len(world.fleet.members) > 1:
        world.fleet.stop(world.fleet.pick(worker))


def break_broker(world: World, down_s: float) -> None:
    """SIGKILL to the broker, and a start with its data."""
    assert isinstance(world.broker, JarBroker)
    world.broker.kill()
    world.wait(down_s)
    world.broker.start()


def pause_topic(world: World, topic: str, seconds: float) -> None:
    """The senders of one topic pause while the others go on; then all comes at once."""
    world.pause_topic(topic, seconds)


def fill_disk(world: World, seconds: float) -> None:
    """The state directory has no room for so long."""
    world.fleet.disk.fill()
    world.wait(seconds)
    world.fleet.disk.free()


def jump(world: World, ahead_s: float, seconds: float) -> None:
    """The workers' clocks are wrong for so long."""
    world.fleet.clock.set(ahead_s)
    world.wait(seconds)
    world.fleet.clock.set(0)


def intrude(world: World, seconds: float) -> None:
    """A consumer that has nothing to do with us joins the workers' group."""
    settings = world.connection.librdkafka() | {
        "group.id": f"{world.connection.prefix}worker",
        "enable.auto.commit": False,
        "log_level": 0,
    }
    stranger = Consumer(settings)
    try:
        stranger.subscribe([world.connection.topic(PREDICTIONS)])
        until = world.now_s + seconds
        while world.now_s < until:
            stranger.poll(0.5)
    except KafkaException as error:
        world.note(f"the stranger was refused: {error}")
    finally:
        stranger.close()


def abort(world: World, batch: dict[str, Any]) -> None:
    """A sender's own transaction, taken back: nothing of it may count."""
    producer = Producer(
        world.connection.librdkafka()
        | {
            "transactional.id": f"{world.connection.prefix}user",
            "partitioner": "murmur2_random",
            "log_level": 2,
        }
    )
    try:
        producer.init_transactions(60)
        producer.begin_transaction()
        for event in Batch.of(batch).predictions(world.start_us):
            value = encode_prediction(event, "json")
            producer.produce(world.connection.topic(PREDICTIONS), value, event["model"])
        producer.flush(60)
        producer.abort_transaction(60)
    except KafkaException as error:
        world.note(f"the user's transaction ended by itself: {error}")


def _of_a_worker(chance: random.Random, scale: Scale, at_s: float) -> dict[str, Any]:
    return {"worker": chance.randrange(MOST)}


def _seconds(low: float, high: float) -> Any:
    return lambda chance, scale, at_s: {"seconds": round(chance.uniform(low, high), 1)}


DISTURBANCES: Mapping[str, Kind] = {
    **ORDERS,
    "kill": Kind(4, kill, lambda c, s, at: _of_a_worker(c, s, at) | {"away_s": round(c.uniform(0, 4), 1)}),
    "stop": Kind(2, stop, _of_a_worker),
    "freeze": Kind(
        2, freeze, lambda c, s, at: _of_a_worker(c, s, at) | {"seconds": round(c.uniform(7, 14), 1)}
    ),
    "join": Kind(1.5, join, lambda c, s, at: {}),
    "leave": Kind(1, leave, _of_a_worker),
    "break_broker": Kind(1.5, break_broker, lambda c, s, at: {"down_s": round(c.uniform(1, 6), 1)}),
    "pause_topic": Kind(
        1.5,
        pause_topic,
        lambda c, s, at: {
            "topic": c.choice((PREDICTIONS, GROUND_TRUTH)),
            "seconds": round(c.uniform(s.pause_s / 3, s.pause_s), 1),
        },
    ),
    "fill_disk": Kind(1, fill_disk, _seconds(3, 10)),
    "abort": Kind(1, abort, lambda c, s, at: {"batch": batch_numbers(c, at)}),
    "intrude": Kind(1, intrude, _seconds(3, 10)),
    "jump": Kind(
        0.7,
        jump,
        lambda c, s, at: {
            "ahead_s": float(c.choice((-3600, -30, 30, 3600))),
            "seconds": round(c.uniform(3, 10), 1),
        },
    ),
}

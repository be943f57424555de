"""What a worker is made of, by its settings: the core, the encoder, and where state is kept."""

from collections.abc import Callable, Iterable
from importlib.metadata import version

from streamgauge.schemas.message import STATE, Output
from streamgauge.streams.allocator import GiveBack
from streamgauge.streams.core.memory import Memory
from streamgauge.streams.core.metering import Applied, Meter, unmetered, untold
from streamgauge.streams.core.shelf import Shelf
from streamgauge.streams.heartbeat import Beating
from streamgauge.streams.mirrors import Mirrors
from streamgauge.streams.schema_lookup import SchemaLookup
from streamgauge.streams.settings import WorkerSettings
from streamgauge.streams.store import MemoryStore, StateStore
from streamgauge.streams.task_context import Core, CoreFactory, Encoder
from streamgauge.streams.telemetry import Telemetry


def core_of(
    settings: WorkerSettings,
    meter: Meter = unmetered,
    applied: Applied = untold,
    schemas: SchemaLookup | None = None,
    memory: Memory | None = None,
) -> CoreFactory:
    """The core that every partition of a worker with these settings has; `meter` measures its detectors,
    `applied` is told the times of predictions that were applied, `schemas` has those of messages with
    Confluent framing. All of them share `memory`, by default what the settings leave for state."""
    from streamgauge.streams.core.partition import CoreSettings, Partition
    from streamgauge.streams.custom_metrics import allowed_metrics

    core_settings = CoreSettings(
        prefix=settings.topic_prefix,
        clock=settings.clock,
        software=f"streamgauge/{version('streamgauge')}",
        metrics=allowed_metrics(settings.custom_metrics),
        memory=memory or memory_of(settings),
        meter=meter,
        applied=applied,
        resolve=None if schemas is None else schemas.cache.resolve,
    )

    def core(number: int, records: Iterable[tuple[bytes, bytes]], shelf: Shelf | None) -> Core:
        restored = Partition.restore(number, core_settings, records, shelf)
        return Beating(restored, number, core_settings.software) if settings.clock == "wall" else restored

    return core


def schemas_of(settings: WorkerSettings, telemetry: Telemetry) -> SchemaLookup | None:
    """Where schemas are looked up, if there is a registry."""
    registry = settings.connection.schema_registry
    return None if registry is None else SchemaLookup(registry, telemetry)


def memory_of(settings: WorkerSettings) -> Memory:
    """What the state of a worker with these settings may take; what was freed goes back to the machine."""
    return Memory(settings.memory.state_bytes, GiveBack())


def encoder_of(settings: WorkerSettings) -> Encoder:
    """How its outputs are written. Raises `StreamgaugeError` if that needs a schema registry that is away."""
    encoding = settings.encoding
    encoding.prepare()

    def encode(output: Output) -> tuple[bytes, list[tuple[str, bytes]]]:
        value, headers = encoding(output)
        return value, list(headers)

    return encode


def stores_of(settings: WorkerSettings, failed: Callable[[], None]) -> Callable[[int], StateStore]:
    """By partition number, where its state is kept between runs; `failed` is told of each failing disk."""
    if settings.state_dir is None:
        return lambda number: MemoryStore()
    mirrors = Mirrors(settings.state_dir, failed, memory_bytes=settings.memory.disk_bytes)
    topic = settings.connection.topic(STATE)
    return lambda number: mirrors.of(topic, number)

"""What ends a run for good, and must be refused in words: a topic that was deleted and created again."""

from confluent_kafka.admin import AdminClient

from streamgauge.schemas.message import PREDICTIONS
from streamgauge.streams.topics import describe_topics
from tests.acceptance.traffic import PARTITIONS
from tests.chaos.world import World
from tests.harness import create_topics, wait_until

_REFUSED = 2


def recreate(world: World) -> list[str]:
    """Predictions begin anew, and the state knows of more than there are: no worker may go on from that."""
    connection = world.connection
    topic = connection.topic(PREDICTIONS)
    admin = AdminClient(connection.librdkafka())
    admin.delete_topics([topic])[topic].result()
    wait_until(lambda: not all(t.partitions for t in describe_topics(connection)))
    create_topics(connection.bootstrap_servers, connection.prefix, PARTITIONS)
    with world.fleet.outsider() as worker:
        code = worker.wait()
        if code == _REFUSED and "deleted and created again" in worker.logs:
            return []
        return [f"on a topic that was created again a worker ended with {code}: {worker.logs[-2_000:]}"]

"""The worker hides state from the garbage collector: what ends must be freed without it."""

import gc
from collections.abc import Iterator

import pytest

from streamgauge.streams.core.model import ModelState
from tests.core.test_partition_alerts import classifier, story


@pytest.fixture
def garbage() -> Iterator[list[object]]:
    """What only the collector could free, from here to the next `gc.collect`."""
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    yield gc.garbage
    gc.set_debug(0)
    gc.garbage.clear()


def test_the_state_of_a_partition_has_no_cycles(garbage: list[object]) -> None:
    told = story().tell(3, classifier)
    told.run.restart()
    told.tell(3, classifier)
    assert isinstance(told.run.partition.models["m"], ModelState)
    del told
    gc.collect()
    ours = [type(found) for found in garbage if type(found).__module__.startswith("streamgauge")]
    assert not ours, ours

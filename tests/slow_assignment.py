"""`python -m tests.slow_assignment`: the counting worker, which takes long to take partitions over.

Meanwhile Faust delivers their messages: so it does for a moment on a busy machine.
"""

import asyncio
import sys
from collections.abc import Iterable

from streamgauge.streams.ownership import Ownership
from streamgauge.streams.settings import WorkerSettings
from streamgauge.streams.worker import run_worker
from tests.counting_core import CountingCore, encode

_assign = Ownership.assign


async def _slowly(self: Ownership, assigned: Iterable[tuple[str, int]]) -> None:
    await asyncio.sleep(2)
    await _assign(self, assigned)


if __name__ == "__main__":
    Ownership.assign = _slowly  # type: ignore[method-assign]
    sys.exit(run_worker(WorkerSettings(), core=CountingCore, encode=encode))

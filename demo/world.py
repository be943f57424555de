"""The demo's traffic in event time: requests with their answers, and the labels that come of them.

Pure: the same seed and timeline give the same bytes. Who runs it decides how fast the events leave.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from streamgauge.demo.faults import MINUTE_US, draw_faults, impaired
from streamgauge.demo.labels import LabelDesk
from streamgauge.demo.requests import Requests
from streamgauge.demo.rollout import Rollout
from streamgauge.demo.scoring import LinearModel
from streamgauge.demo.services import Service, train_services
from streamgauge.schemas.batch import GroundTruthBatch, Ids, Ints, take_column
from streamgauge.schemas.durations import SECOND_US

SPAN_US = 240 * MINUTE_US
#: Nothing goes wrong before the one: monitors learn. Nothing starts after the other: alerts end.
QUIET_US = 60 * MINUTE_US
LATEST_US = 150 * MINUTE_US

#: One request in five hundred fails.
FAILURE_RATE = 0.002


@dataclass(frozen=True, slots=True)
class Timeline:
    """When the demo's world begins, in event time, how dense its traffic is, and in what pieces it comes."""

    start_us: int
    predictions_per_s: float
    block_us: int = 10 * SECOND_US

    @property
    def end_us(self) -> int:
        """The end of event time, exclusive."""
        return self.start_us + SPAN_US


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """What leaves between `start_us` and `end_us`."""

    start_us: int
    end_us: int
    requests: tuple[Requests, ...]
    labels: tuple[GroundTruthBatch, ...]


class World:
    """Three services under traffic, and what goes wrong with them.

    Who `deploy`s a version while blocks are taken decides who answers, and changes nothing else: requests and
    their labels stay what they are.

    >>> world = World(seed=7, timeline=Timeline(start_us=1_763_712_000_000_000, predictions_per_s=20.0))
    >>> [service.name for service in world.services], len(world.faults)
    (['phishing', 'approval', 'credit'], 4)
    """

    def __init__(self, seed: int, timeline: Timeline, *, with_faults: bool = True) -> None:
        self.timeline = timeline
        self.services = train_services(seed)
        self.faults = (
            draw_faults(seed, timeline.start_us, QUIET_US, LATEST_US, SPAN_US) if with_faults else ()
        )
        self._rng = np.random.default_rng([seed, 0x30B1D])
        self._rollouts = {
            service.name: Rollout(service, np.random.default_rng([seed, 0x5A1E, number]))
            for number, service in enumerate(self.services)
        }
        self._healthy = {service.name: service.pool() for service in self.services}
        by_name = {service.name: service for service in self.services}
        # The unit change, the concept drift and the group's fault never meet in one model: at most one of
        # these changes a model's answers at a time, so one impaired pool a fault is enough.
        self._impaired = {
            fault: impaired(by_name[fault.model], self._healthy[fault.model], fault, self._rng)
            for fault in self.faults
        }

    def blocks(self) -> Iterator[Block]:
        """All of the traffic, in order. Labels are planned a block ahead, so that some can come early."""
        desk = LabelDesk(self._rng, self.timeline.block_us)
        upcoming = self._planned(self.timeline.start_us, desk)
        for start_us in range(self.timeline.start_us, self.timeline.end_us, self.timeline.block_us):
            end_us = start_us + self.timeline.block_us
            current, upcoming = upcoming, self._planned(end_us, desk)
            answered = (part for each in current for part in self._rollouts[each.service.name].split(each))
            yield Block(start_us, end_us, tuple(answered), desk.due(end_us))

    def deploy(self, model: str, version: str, trained: LinearModel) -> None:
        """From the next block on a new version answers a half of the model's requests."""
        self._rollouts[model].deploy(version, trained)

    def settle(self, model: str, version: str) -> None:
        """From the next block on one of a model's two versions answers all of its requests."""
        self._rollouts[model].settle(version)

    def _planned(self, start_us: int, desk: LabelDesk) -> tuple[Requests, ...]:
        """The block's requests, their labels planned."""
        block = self._requests(start_us)
        for requests in block:
            answered = ~requests.failed
            truth = take_column(requests.pool.label, requests.rows[answered])
            desk.plan(requests.service.name, requests.ids[answered], requests.time_us[answered], truth)
        return block

    def _requests(self, start_us: int) -> tuple[Requests, ...]:
        block_s = self.timeline.block_us / SECOND_US
        requests = []
        for service in self.services:
            rate = self.timeline.predictions_per_s * service.share_of_traffic
            n = int(self._rng.poisson(rate * block_s))
            if n:
                requests.append(self._answer(service, start_us, n))
        return tuple(requests)

    def _answer(self, service: Service, start_us: int, n: int) -> Requests:
        rng = self._rng
        pool, slowdown = self._healthy[service.name], 1.0
        for fault in self.faults:
            if fault.model == service.name and fault.active(start_us):
                if fault.kind == "latency":
                    slowdown = fault.size
                else:
                    pool = self._impaired[fault]
        time_us = np.sort(rng.integers(start_us, start_us + self.timeline.block_us, n))
        latency_ms = service.median_latency_ms * np.exp(service.latency_sigma * rng.standard_normal(n))
        return Requests(
            service=service,
            pool=pool,
            rows=rng.integers(len(pool), size=n),
            ids=_uuid7s(rng, time_us),
            time_us=time_us,
            latency_ms=latency_ms * slowdown,
            failed=rng.random(n) < FAILURE_RATE,
        )


def _uuid7s(rng: np.random.Generator, time_us: Ints) -> Ids:
    """UUIDv7 (RFC 9562, 5.7), as 16 bytes: 48 bits of milliseconds, version, random, variant, random."""
    n = len(time_us)
    octets = rng.integers(0, 256, (n, 16), dtype=np.uint8)
    octets[:, :6] = (time_us // 1000).astype(">i8").view(np.uint8).reshape(n, 8)[:, 2:]
    octets[:, 6] = octets[:, 6] & 0x0F | 0x70
    octets[:, 8] = octets[:, 8] & 0x3F | 0x80
    return octets.view("S16").reshape(n)

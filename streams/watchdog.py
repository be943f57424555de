"""A thread that ends a worker which looks alive and does nothing; a supervisor then starts it afresh."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswerError
from dataclasses import dataclass, field

from streamgauge.streams.membership import Probe

#: Seconds of continuous observation until each of these ends the process.
LIMITS_S: Mapping[str, float] = {
    "the consumer does not answer": 60,
    "no place in the consumer group": 60,
    "messages wait and none is read": 60,
    "changes are not committed": 60,
    "the brokers are not polled": 120,
}
_STEP_S = 1.0
#: An idle partition is polled several times a second; older than this, a poll counts as missing.
_POLL_AGE_US = 5_000_000


@dataclass(frozen=True, slots=True)
class Observation:
    """One look at a worker. `probe` is None if its consumer did not answer; partitions in `held` wait for a
    schema, and are not read."""

    probe: Probe | None
    uncommitted: bool
    opening: bool
    held: frozenset[int] = frozenset()


@dataclass(slots=True)
class Judge:
    """Counts how long each trouble has been seen without a break, one observation a second.

    Time that passes unobserved (a process that was stopped) does not count: it says nothing about what works.

    >>> judge = Judge()
    >>> lost = Observation(Probe(generation=-1, reaches={}), uncommitted=False, opening=False)
    >>> [verdict for verdict in map(judge.observe, [lost] * 61) if verdict]
    ['no place in the consumer group for 60 s']
    """

    _seen_s: dict[str, float] = field(default_factory=dict)
    _last: Mapping[tuple[str, int], int] = field(default_factory=dict)

    def observe(self, observation: Observation) -> str | None:
        """Why the worker must end, or None."""
        probe = observation.probe
        if probe is not None and probe.trouble is not None:
            return f"the consumer group refuses this worker: {probe.trouble}"
        troubles = {"the consumer does not answer": probe is None}
        if probe is not None:
            reaches = {at: reach for at, reach in probe.reaches.items() if at[1] not in observation.held}
            positions = {at: reach.position for at, reach in reaches.items()}
            lag = any(reach.position < reach.highwater for reach in reaches.values())
            oldest_us = min((reach.polled_us for reach in reaches.values()), default=probe.now_us)
            troubles |= {
                "no place in the consumer group": probe.generation < 0,
                "messages wait and none is read": lag and positions == self._last and not observation.opening,
                # With fetched messages in hand aiokafka does not poll; whether they move is asked above.
                "the brokers are not polled": not lag and probe.now_us - oldest_us > _POLL_AGE_US,
            }
            self._last = positions
        troubles["changes are not committed"] = observation.uncommitted
        self._seen_s = {
            trouble: self._seen_s.get(trouble, 0.0) + _STEP_S for trouble, seen in troubles.items() if seen
        }
        for trouble, seconds in self._seen_s.items():
            if seconds > LIMITS_S[trouble]:
                return f"{trouble} for {LIMITS_S[trouble]:.0f} s"
        return None


class Watchdog(threading.Thread):
    """Observes once a second and calls `bark` with the reason, once, when the judge has seen enough."""

    def __init__(
        self,
        probe: "Callable[[], Future[Probe] | None]",
        observe: Callable[[Probe | None], Observation],
        bark: Callable[[str], None],
    ) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._probe = probe
        self._observe = observe
        self._bark = bark
        self._stopped = threading.Event()

    def run(self) -> None:
        judge = Judge()
        while not self._stopped.wait(_STEP_S):
            verdict = judge.observe(self._observe(self._look()))
            if verdict is not None and not self._stopped.is_set():
                self._bark(verdict)
                return

    def stop(self) -> None:
        """No more barking."""
        self._stopped.set()

    def _look(self) -> Probe | None:
        future = self._probe()
        if future is None:
            return None
        try:
            return future.result(5.0)
        except NoAnswerError:
            future.cancel()
            return None

"""`Rollout`: which version answers a service's requests, while a new one is tried beside the old."""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np

from streamgauge.demo.requests import Requests
from streamgauge.demo.scoring import LinearModel
from streamgauge.demo.services import Pool, Service

#: What a new version gets of the requests until it is settled who stays.
SHARE = 0.5


class Rollout:
    """The versions of one service. `rng` draws who is asked, and nothing else."""

    def __init__(self, service: Service, rng: np.random.Generator) -> None:
        self._service = service
        self._rng = rng
        self._new: Service | None = None
        self._share = 0.0
        #: Answers of the new version, by the pool that a request is drawn from.
        self._answers = lru_cache(maxsize=4)(self._answered)

    def deploy(self, version: str, trained: LinearModel) -> None:
        """The new version gets its share."""
        self._new = replace(self._service, version=version, model=trained)
        self._share = SHARE
        self._answers.cache_clear()

    def settle(self, version: str) -> None:
        """One of the two gets everything."""
        self._share = 1.0 if self._new is not None and version == self._new.version else 0.0

    def split(self, requests: Requests) -> Iterator[Requests]:
        """The requests of one block, each by the version that answers it."""
        if self._new is None or self._share == 0.0:
            yield requests
            return
        chosen = self._rng.random(len(requests)) < self._share
        if not chosen.all():
            yield requests.take(~chosen)
        if chosen.any():
            yield requests.take(chosen).answered_by(self._new, self._answers(requests.pool))

    def _answered(self, pool: Pool) -> Pool:
        assert self._new is not None
        return self._new.answer(pool)

"""`NumericEvidence`: have numbers moved, widened or narrowed against their reference?"""

from collections.abc import Sequence

import numpy as np

from streamgauge.detectors.evidence.alarm import Alarm
from streamgauge.detectors.evidence.bets import numeric_table
from streamgauge.detectors.evidence.edetector import Crossing
from streamgauge.detectors.evidence.kinds import Evidence
from streamgauge.detectors.evidence.sizes import sizes_of
from streamgauge.detectors.evidence.stakes import Bets
from streamgauge.schemas.batch import Floats, Ints
from streamgauge.schemas.profile import NumericProfile


class NumericEvidence(Evidence):
    """One stream a profile. `streams` and `alpha` are those of the whole fleet; `paid` the account's balance.

    Profiles that are not stationary, or have one bin, are not watched and not part of the budget.

    >>> from streamgauge.detectors.baseline import numeric_profile
    >>> rng = np.random.default_rng(1)
    >>> evidence = NumericEvidence([numeric_profile(rng.normal(size=5000))], streams=1, alpha=0.05)
    >>> evidence.update_many(rng.normal(1.0, size=(1, 500)), np.arange(500), paid=5e-6)
    >>> [(a.stream, a.aspect, a.direction, a.onset_us) for a in evidence.take_alarms()]
    [(0, 'location', 'up', 0)]
    """

    __slots__ = ("_edges", "_profiles", "_signs")

    def __init__(
        self,
        profiles: Sequence[NumericProfile],
        streams: int,
        alpha: float,
        paid: float = 0.0,
        share: float | Floats = 1.0,
    ) -> None:
        tables = [numeric_table(profile, alpha, streams) for profile in profiles]
        bins = max((len(profile.counts) for profile in profiles), default=0)
        bets = len(tables[0].weights) if tables else 0
        log_factors, statistics = np.zeros((len(tables), bins, bets)), np.zeros((len(tables), bins, 2))
        weights = np.zeros((len(tables), bets))
        for row, (table, profile) in enumerate(zip(tables, profiles, strict=True)):
            log_factors[row, : len(table.log_factors)] = table.log_factors
            statistics[row, : len(table.statistics)] = table.statistics
            if profile.stationary and len(profile.counts) > 1:
                weights[row] = table.weights
        self._profiles = tuple(profiles)
        self._edges = [np.array(profile.edges) for profile in profiles]
        self._signs = tables[0].signs if tables else np.zeros(0, np.intp)
        follows = tables[0].follows if tables else np.zeros(0, np.intp)
        super().__init__(Bets(log_factors, weights, statistics, follows), paid, share)

    def update_many(self, values: Floats, time_us: Ints, paid: float | Floats) -> None:
        """Take float64 (F, n) in order, NaN for missing, at `time_us` int64 (n,), the account at `paid`."""
        codes = np.full(values.shape, -1, np.int64)
        for row, edges in enumerate(self._edges):
            codes[row] = np.searchsorted(edges, values[row], side="left")
        codes[~np.isfinite(values)] = -1
        self.update_codes(codes, time_us, paid)

    def alarm(self, crossing: Crossing) -> Alarm:
        """Location or spread, up or down, with its size. What moved far wins most by bets on its spread."""
        spread, sizes = bool(self.bets.follows[crossing.bet]), sizes_of(self._profiles[crossing.stream])
        up, statistic = self._signs[crossing.bet] > 0, crossing.statistic
        if spread and sizes.has_moved(crossing.other, statistic):
            spread, up, statistic = False, crossing.other > 0, crossing.other
        return Alarm(
            stream=crossing.stream,
            aspect="spread" if spread else "location",
            direction="up" if up else "down",
            size=sizes.ratio(statistic) if spread else sizes.shift(statistic),
            evidence=crossing.evidence,
            onset_us=crossing.onset_us,
            onset_low_us=crossing.onset_low_us,
            onset_high_us=crossing.onset_high_us,
            n=crossing.n,
        )

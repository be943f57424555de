"""`ColumnEvidence`: everything that may change in the columns of a profile, from bins made once a batch."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.binning import FeatureBinner, FeatureBins
from streamgauge.detectors.estimate import State
from streamgauge.detectors.evidence.alarm import Alarm, Aspect
from streamgauge.detectors.evidence.categorical import UNSEEN, CategoricalEvidence
from streamgauge.detectors.evidence.numeric import NumericEvidence
from streamgauge.detectors.evidence.rates import RateEvidence
from streamgauge.schemas.batch import Column, Ints
from streamgauge.schemas.profile import CategoricalProfile, NumericProfile


class ColumnEvidence:
    """Distribution, missing values and (of numbers) values out of range of each column of a binner.

    `streams` and `alpha` are those of the whole fleet; `paid` the account's balance. `weight` is how many
    streams are watched. An alarm's `stream` is the place of its column in `binner.names`.

    >>> from streamgauge.detectors.baseline import build_profile
    >>> rng = np.random.default_rng(1)
    >>> profile = build_profile({"age": rng.normal(size=5000), "income": rng.normal(size=5000)})
    >>> evidence = ColumnEvidence(FeatureBinner(profile.features), streams=6, alpha=0.05)
    >>> batch = {"age": rng.normal(size=500), "income": np.full(500, np.nan)}
    >>> evidence.update_many(batch, np.arange(500), paid=1e-6)
    >>> [(a.stream, a.aspect, a.value) for a in evidence.take_alarms()]
    [(1, 'missing', 1.0)]
    """

    __slots__ = (
        "_categorical",
        "_categorical_rows",
        "_numeric",
        "_numeric_rows",
        "_rates",
        "binner",
        "weight",
    )

    def __init__(self, binner: FeatureBinner, streams: int, alpha: float, paid: float = 0.0) -> None:
        self.binner = binner
        numeric = {i: p for i, p in enumerate(binner.profiles) if isinstance(p, NumericProfile)}
        categorical = {i: p for i, p in enumerate(binner.profiles) if isinstance(p, CategoricalProfile)}
        self._numeric_rows: NDArray[np.intp] = np.array(list(numeric), np.intp)
        self._categorical_rows: NDArray[np.intp] = np.array(list(categorical), np.intp)
        self._numeric = NumericEvidence(list(numeric.values()), streams, alpha, paid)
        self._categorical = CategoricalEvidence(list(categorical.values()), streams, alpha, paid)
        aspects: list[Aspect] = ["missing"] * len(binner.profiles)
        aspects += ["out_of_range"] * len(numeric)
        self._rates = RateEvidence(
            [*(p.missing for p in binner.profiles), *(p.out_of_range for p in numeric.values())],
            streams,
            alpha,
            paid=paid,
            aspects=aspects,
        )
        self.weight = self._numeric.weight + self._categorical.weight + self._rates.weight

    @property
    def evidence(self) -> Mapping[str, float]:
        """By column, the most that any of its streams has; 1 is an alarm."""
        most = self._rates.evidence[: len(self.binner.names)].copy()
        outside = self._rates.evidence[len(self.binner.names) :]
        most[self._numeric_rows] = np.maximum.reduce(
            [most[self._numeric_rows], outside, self._numeric.evidence]
        )
        most[self._categorical_rows] = np.maximum(most[self._categorical_rows], self._categorical.evidence)
        return dict(zip(self.binner.names, most.tolist(), strict=True))

    def update_many(self, features: Mapping[str, Column], time_us: Ints, paid: float) -> None:
        """Take a batch in order, at `time_us` int64 (n,), the account at `paid`."""
        self.update_bins(self.binner.bins(features, len(time_us)), time_us, paid)

    def update_bins(self, bins: FeatureBins, time_us: Ints, paid: float) -> None:
        """The same with bins of this object's binner."""
        missing = bins.codes == self.binner.width - 1
        codes = np.where(missing, -1, bins.codes)
        self._numeric.update_codes(codes[self._numeric_rows], time_us, paid)
        places = codes[self._categorical_rows]
        places[places == self.binner.width - 2] = UNSEEN
        self._categorical.update_many(places, time_us, paid)
        outcomes = np.concatenate([missing, bins.outside[self._numeric_rows]])
        self._rates.update_many(outcomes.astype(np.int64), time_us, paid)

    def take_alarms(self) -> list[Alarm]:
        """Alarms since the last call; each stream of them has started over."""
        columns = len(self.binner.names)
        alarms = [replace(a, stream=int(self._numeric_rows[a.stream])) for a in self._numeric.take_alarms()]
        alarms += [
            replace(a, stream=int(self._categorical_rows[a.stream])) for a in self._categorical.take_alarms()
        ]
        for alarm in self._rates.take_alarms():
            row = alarm.stream
            place = row if row < columns else int(self._numeric_rows[row - columns])
            alarms.append(replace(alarm, stream=place))
        return alarms

    def to_state(self) -> State:
        """All but the profiles."""
        return {
            "numeric": self._numeric.to_state(),
            "categorical": self._categorical.to_state(),
            "rates": self._rates.to_state(),
        }

    def restore(self, state: State) -> None:
        """Continue from what `to_state` gave. Raises ValueError if the profiles were others."""
        self._numeric.restore(state["numeric"])
        self._categorical.restore(state["categorical"])
        self._rates.restore(state["rates"])

"""`FeatureBank`: sequential evidence about everything a version's predictions carry, against its baseline."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.binning import FeatureBinner, FeatureBins
from streamgauge.detectors.evidence.account import UNPAID
from streamgauge.detectors.evidence.alarm import Alarm
from streamgauge.detectors.evidence.categorical import CategoricalEvidence
from streamgauge.detectors.evidence.edetector import CHUNK
from streamgauge.detectors.evidence.kinds import JointEvidence
from streamgauge.detectors.evidence.looks import Taken
from streamgauge.detectors.evidence.numeric import NumericEvidence
from streamgauge.detectors.evidence.pairs import PairEvidence
from streamgauge.detectors.evidence.rates import RateEvidence
from streamgauge.detectors.evidence.repeat_keys import may_repeat, repeatable, surely_vary
from streamgauge.detectors.evidence.repeats import RepeatEvidence
from streamgauge.detectors.evidence.season import Season
from streamgauge.detectors.evidence.stakes import View
from streamgauge.detectors.pairs import Halves
from streamgauge.schemas.batch import Floats, Ints
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.schemas.profile import (
    BaselineProfile,
    CategoricalProfile,
    FeatureProfile,
    NumericProfile,
    RateProfile,
)

#: Names under which the prediction and its score stand among the features of metrics and alerts.
PREDICTION, SCORE = "prediction", "score"
MULTIVARIATE_DRIFT = "multivariate_drift"
#: The monitors that rest on this evidence.
FEATURE_MONITORS = ("drift", "prediction_drift", "data_quality", MULTIVARIATE_DRIFT)
_UNKNOWN = RateProfile(0, 0)  # and so never watched


class FeatureBank:
    """Evidence of drift (features, alone and in pairs), prediction drift, and missing or impossible values.

    The prediction and its score are streams like the features, but may have a daily cycle. `alpha` and
    `streams` are the fleet's; `began_us` is when the first row of the baseline was, if that is known.
    """

    def __init__(
        self,
        profile: BaselineProfile,
        definition: MonitorDefinition,
        streams: int,
        alpha: float,
        began_us: int | None = None,
    ) -> None:
        binner = self.binner = FeatureBinner(watched(profile))
        named = list(enumerate(zip(binner.names, binner.profiles, strict=True)))
        drifts = [(i, p) for i, (name, p) in named if definition.rule(monitor_of(name)).enabled]
        numbers = {i: p for i, p in drifts if isinstance(p, NumericProfile)}
        categories = {i: p for i, p in drifts if isinstance(p, CategoricalProfile)}
        present, outside, repeats = {}, {}, list[RateProfile]()
        if definition.rule("data_quality").enabled:
            present = {i: p.missing if name in profile.features else _UNKNOWN for i, (name, p) in named}
            outside = {
                i: p.out_of_range
                for i, (name, p) in named
                if isinstance(p, NumericProfile) and _has_range(definition, profile, name)
            }
            repeats = [p.repeats for p in binner.profiles]
        quality = definition.rule("data_quality").weight
        self.repeats = RepeatEvidence(repeats, streams, alpha, UNPAID, quality)
        #: By row in the binner.
        self._seasons = {
            i: Season(p, binner.width, began_us) for i, p in drifts if monitor_of(binner.names[i]) != "drift"
        }
        #: Of each kind of streams in `features`, their rows in the binner.
        self.rows = [list(kind) for kind in (numbers, categories, present, outside)]
        shares = np.array([definition.rule(monitor_of(name)).weight for name in binner.names])
        by_category = CategoricalEvidence(
            list(categories.values()), streams, alpha, share=shares[list(categories)]
        )
        by_number = NumericEvidence(list(numbers.values()), streams, alpha, share=shares[list(numbers)])
        self.features = JointEvidence(
            [
                by_number,
                by_category,
                RateEvidence(list(present.values()), streams, alpha, aspect="missing", share=quality),
                RateEvidence(list(outside.values()), streams, alpha, aspect="out_of_range", share=quality),
            ],
            _views(binner, self.rows, by_number, by_category),
            len(named) + len(outside),
            UNPAID,
        )
        together = definition.rule(MULTIVARIATE_DRIFT)
        pairs = profile.pairs if together.enabled else ()
        self.pairs = PairEvidence(pairs, streams, alpha, UNPAID, together.weight)
        self._halves = Halves(binner, self.pairs.names)
        #: Of the streams that are watched, in the budget.
        self.evidence = (self.features, self.pairs, self.repeats)
        self.weight = math.fsum(each.weight for each in self.evidence)

    def seasons(self) -> list[Season]:
        """Of the streams that are held against what is usual for the hour, those that have begun."""
        return [season for season in self._seasons.values() if season.weekly_us is not None]

    def update(self, bins: FeatureBins, time_us: Ints, paid: Floats) -> Ints:
        """A batch that `binner` has digitised, in order; gives the counts of its codes, int64 (F, width)."""
        n = len(time_us)
        if n <= CHUNK:
            return self._update(bins, time_us, paid)
        counts: Ints = np.zeros((len(self.binner.names), self.binner.width), np.int64)
        for start in range(0, n, CHUNK):
            rows = slice(start, start + CHUNK)
            counts += self._update(bins.take(rows), time_us[rows], paid[rows])
        return counts

    def _update(self, bins: FeatureBins, time_us: Ints, paid: Floats) -> Ints:
        looks = self.features.take(self._codes(bins), time_us, paid)
        counts = looks.of_rows[: len(self.binner.names)]
        if self._seasons:
            latest_us = int(time_us.max())
            for row, season in self._seasons.items():
                if not season.add(counts[row], latest_us):
                    season.update_many(bins.codes[row], time_us)
        if self.repeats.weight:
            self._repeat(bins, looks, time_us, paid)
        if self.pairs.weight:
            self.pairs.update_many(self._halves.sides(bins), time_us, paid)
        return counts

    def _codes(self, bins: FeatureBins) -> NDArray[np.int16]:
        """Rows of the binner, then whether values were out of range, of those that have one."""
        outside = self.rows[-1]
        if not outside:
            return bins.codes
        missing = self.binner.width - 1
        beyond = np.where(bins.codes[outside] == missing, np.int16(missing), bins.outside[outside])
        return np.concatenate([bins.codes, beyond])

    def _repeat(self, bins: FeatureBins, looks: Taken, time_us: Ints, paid: Floats) -> None:
        """Where whole looks cannot be of one value, the rows since are enough."""
        repeats, n, counts = self.repeats, len(time_us), looks.counts[: len(self.binner.names)]
        may = not len(looks.balance) or (
            not surely_vary(counts, len(bins.z))
            and (may_repeat(bins, counts, repeats.held) & repeats.watched).any()
        )
        if may:
            repeats.update_many(repeatable(bins, self.binner), time_us, paid)
            return
        rows = repeats.held_after(n)
        last = repeatable(bins.take(slice(n - rows, n)), self.binner) if rows else np.zeros((len(counts), 0))
        repeats.pass_by(last, counts[..., -1], time_us, paid)

    def take_alarms(self) -> Iterator[tuple[str, str, Alarm]]:
        """(monitor, feature or pair, alarm) since the last call."""
        for alarm in self.repeats.take_alarms():
            yield "data_quality", self.binner.names[alarm.stream], alarm
        for kind, alarm in self.features.take_alarms():
            row = self.rows[kind][alarm.stream]
            name = self.binner.names[row]
            drift = alarm.aspect in ("location", "spread", "category")
            if drift and self.repeats.explains(row, alarm.n):
                continue  # that it is constant says it all
            if row in self._seasons and self._seasons[row].explains(alarm):
                continue
            yield monitor_of(name) if drift else "data_quality", name, alarm
        for alarm in self.pairs.take_alarms():
            yield MULTIVARIATE_DRIFT, self.pairs.pairs[alarm.stream].name, alarm

    def to_state(self) -> Any:
        return {
            "each": self.features.to_state(),
            "pairs": self.pairs.to_state(),
            "repeats": self.repeats.to_state(),
            "seasons": [season.to_state() for season in self._seasons.values()],
        }

    def restore(self, state: Any) -> None:
        self.features.restore(state["each"])
        self.pairs.restore(state["pairs"])
        self.repeats.restore(state["repeats"])
        for season, hours in zip(self._seasons.values(), state["seasons"], strict=True):
            season.restore(hours)


def watched(profile: BaselineProfile) -> dict[str, FeatureProfile]:
    """The features of a profile by name, then its prediction and score under their reserved names.

    The order is that of a restored profile: evidence and counts are kept by row.
    """
    found = dict(sorted(profile.features.items()))
    for name, extra in ((PREDICTION, profile.prediction), (SCORE, profile.score)):
        if extra is not None:
            found.setdefault(name, extra)
    return found


def monitor_of(name: str) -> str:
    return "prediction_drift" if name in (PREDICTION, SCORE) else "drift"


def _has_range(definition: MonitorDefinition, profile: BaselineProfile, name: str) -> bool:
    declared = definition.features.get(name) if name in profile.features else None
    return declared is not None and (declared.min is not None or declared.max is not None)


def _views(
    binner: FeatureBinner, rows: list[list[int]], numbers: NumericEvidence, categories: CategoricalEvidence
) -> list[View]:
    """Of each kind of streams, where it finds its bins among the codes of the binner."""
    codes, bins = np.arange(binner.width), numbers.bets.log_factors.shape[1]
    is_missing, is_outside = (codes == codes[-1]).astype(np.intp), np.where(codes < 2, codes, -1)
    bin_of = (np.where(codes < bins, codes, -1), categories.places(binner.width - 2), is_missing, is_outside)
    beyond = len(binner.names) + np.arange(len(rows[-1]))
    return [View(_selection(of), at) for of, at in zip((*rows[:-1], beyond.tolist()), bin_of, strict=True)]


def _selection(rows: list[int]) -> slice | NDArray[np.intp]:
    """Neighbouring rows as a slice, which copies nothing."""
    if rows and rows == list(range(rows[0], rows[-1] + 1)):
        return slice(rows[0], rows[-1] + 1)
    return np.array(rows, np.intp)

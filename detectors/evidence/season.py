"""`Season`: is what a stream does now what it does at this hour? A daily cycle is no drift."""

from math import sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.baseline import rank_scores
from streamgauge.detectors.binning import bin_masses
from streamgauge.detectors.estimate import State
from streamgauge.detectors.evidence.alarm import Alarm
from streamgauge.detectors.evidence.sizes import sizes_of
from streamgauge.schemas.batch import Floats, Ints
from streamgauge.schemas.profile import FeatureProfile, NumericProfile

_HOUR_US = 3_600_000_000
_DAY, _WEEK = 24, 168
#: Hours that are remembered: two of each hour of the week.
_REMEMBERED = 2 * _WEEK
#: An hour with fewer rows says nothing of what is usual.
_LEAST_ROWS = 50
#: Before a day has been seen, in ranks of −1 to 1 or in shares of a category: what hours differ by at random,
#: what a cycle of ± .7 standard deviations moves in an hour, and how far it may be in all from where it was.
_ANYWAY, _AN_HOUR, _AT_MOST = 0.05, 0.1, 0.5
#: Of what the first day ranged over, how much further other days may go on either side.
_BEYOND = 0.25
#: Standard errors that a difference must exceed beside what is usual: of a whole hour, and of an alarm, which
#: tells of rows that were chosen for being far away.
_SURE, _SURER = 4.0, 5.0
#: The median of the square of a standard normal variable.
_MEDIAN_SQUARE = 0.4549


class Season:
    """The hourly means of one stream: rank location of a number and its square, or shares of categories.

    `explains` holds an alarm against them. In the first day the reference is the hour before, and what a
    daily cycle can do in the time since; then the range of the first day's hours; after two weeks the last
    two means of the same hour of the week, and by how much such two differ. `width` is that of the codes,
    `began_us` the time of the baseline's first row; without it, that of the first row that comes.

    >>> from streamgauge.detectors.baseline import numeric_profile
    >>> hours = np.repeat(np.arange(27), 1000)
    >>> day = np.sin(hours * np.pi / 12) + np.random.default_rng(1).normal(size=27_000)
    >>> profile = numeric_profile(day[:1000])
    >>> season = Season(profile, width=22, began_us=0)
    >>> season.update_many(np.searchsorted(profile.edges, day[1000:]), 3_600_000_000 * hours[1000:])
    >>> [season.is_usual(0, mean, 1000) for mean in (-0.3, 0.5, 0.99)]
    [True, True, False]
    """

    __slots__ = (
        "_centres", "_common", "_counts", "_first", "_hour", "_known", "_means", "_now_us", "_profile",
        "_range", "_rows", "_table", "_usual", "_usual_us", "_variances",
    )  # fmt: skip

    def __init__(self, profile: FeatureProfile, width: int, began_us: int | None) -> None:
        self._profile = profile
        self._common = (
            () if isinstance(profile, NumericProfile) else profile.categories[: len(profile.design_effects)]
        )
        effects = np.array(profile.design_effects, np.float64)
        masses = bin_masses(profile) / profile.n
        if isinstance(profile, NumericProfile):
            self._table = np.zeros((width, 2))
            location, _ = rank_scores(np.array(profile.counts))
            known = len(masses)
            self._table[:known] = np.stack([location, location**2], axis=1)
        else:
            self._table = np.eye(width, len(effects))
            known = width - 1
        mine = self._table[: len(masses)]
        self._centres = masses @ mine
        self._variances = masses @ (mine - self._centres) ** 2 * effects
        #: Codes from this one on are missing values.
        self._known = known
        #: The hour that is under way, since the epoch, and the first one; how often each code came in it.
        self._hour = self._first = self._now_us = 0
        self._counts: Ints = np.zeros(width, np.int64)
        #: By an hour's number modulo two weeks: its rows, and the means of the statistics.
        self._rows: Ints = np.zeros(_REMEMBERED, np.int64)
        self._means: Floats = np.zeros((_REMEMBERED, len(self._centres)))
        #: In the first day, where the stream was last, as far as it may have got there, and when.
        self._usual, self._usual_us = self._centres.copy(), began_us
        #: Least and greatest means of the first day's hours.
        self._range: Floats | None = None

    def update_many(self, codes: NDArray[np.integer], time_us: Ints) -> None:
        """Take bins (n,) in order, at `time_us` int64 (n,). What comes late counts in the latest hour."""
        if len(codes) == 0:
            return
        if not self._first:
            self._hour = self._first = int(time_us[0]) // _HOUR_US
            self._usual_us = int(time_us[0]) if self._usual_us is None else self._usual_us
        if self.add(np.bincount(codes, minlength=len(self._counts)), int(time_us.max())):
            return
        self._now_us = max(self._now_us, int(time_us.max()))
        hours = np.maximum(np.maximum.accumulate(time_us // _HOUR_US), self._hour)
        at = 0
        while at < len(hours):
            number = int(hours[at])
            if number > self._hour:
                self._end_hour(number)
            stop = int(np.searchsorted(hours, number, side="right"))
            self._counts += np.bincount(codes[at:stop], minlength=len(self._counts))
            at = stop

    def add(self, counts: Ints, latest_us: int) -> bool:
        """As `update_many`, of how often each code came until `latest_us`, int64 (width,): whether that could
        be done, which it can as long as it is the same hour."""
        if not self._first or latest_us // _HOUR_US > self._hour:
            return False
        self._now_us = max(self._now_us, latest_us)
        self._counts += counts
        return True

    def explains(self, alarm: Alarm) -> bool:
        """Whether what an alarm is about is usual for the hour that is under way."""
        if isinstance(self._profile, NumericProfile) and alarm.aspect in ("location", "spread"):
            spread = alarm.aspect == "spread"
            statistic = int(spread)
            sizes = sizes_of(self._profile)
            now = sizes.spread_at(alarm.size) if spread else sizes.location_at(alarm.size)
        elif alarm.aspect == "category" and alarm.category in self._common and alarm.value is not None:
            statistic, now = self._common.index(alarm.category), alarm.value
        else:
            return False
        rows, means = self._so_far()
        whole = rows < _LEAST_ROWS or self.is_usual(statistic, float(means[statistic]), rows)
        return whole and self.is_usual(statistic, now, alarm.n, _SURER)

    def is_usual(self, statistic: int, now: float, n: int, sure: float = _SURE) -> bool:
        """Whether a statistic is usual that was `now` on average in the last `n` rows, by `sure` errors."""
        number, noise = self._hour, float(self._variances[statistic]) / max(n, 1)
        same = [(number - ago) % _REMEMBERED for ago in (_WEEK, _REMEMBERED)]
        if number - self._first >= _REMEMBERED and self._rows[same].min() >= _LEAST_ROWS:
            mean = float(self._means[same, statistic].mean())
            return abs(now - mean) <= sure * sqrt(noise + 1.5 * self._scatter(statistic))
        beyond = sure * sqrt(noise)
        if self._range is not None:
            low, high = self._range[:, statistic].tolist()
            beyond += _BEYOND * (high - low)
            return bool(low - beyond <= now <= high + beyond)
        if number - self._first >= _DAY:
            return False  # too few rows an hour to tell
        beyond += _ANYWAY + self._may(self._now_us)
        return abs(now - float(self._usual[statistic])) <= beyond

    @property
    def weekly_us(self) -> int | None:
        """From when on the same hour of two weeks is known; None before the first row."""
        return (self._first + _REMEMBERED) * _HOUR_US if self._first else None

    @property
    def stage(self) -> Literal["hour", "day", "week"]:
        """What is usual now: the hour before, the range of the first day, or the same hour of two weeks."""
        if self._hour - self._first >= _REMEMBERED:
            return "week"
        return "hour" if self._range is None else "day"

    def to_state(self) -> State:
        """All but the reference."""
        return {
            "counts": self._counts.copy(),
            "rows": self._rows.astype(np.int32),
            "means": self._means.copy(),
            "usual": self._usual.copy(),
            "range": None if self._range is None else self._range.copy(),
            "times": [self._hour, self._first, self._now_us, self._usual_us],
        }

    def restore(self, state: State) -> None:
        """Continue from what `to_state` gave. Raises ValueError if the reference was another."""
        for name in ("counts", "rows", "means", "usual"):
            mine = getattr(self, "_" + name)
            theirs = np.array(state[name], mine.dtype)
            if theirs.shape != mine.shape:
                raise ValueError(f"hours of another stream: {name} is {theirs.shape}, not {mine.shape}")
            setattr(self, "_" + name, theirs)
        self._range = None if state["range"] is None else np.array(state["range"], np.float64)
        self._hour, self._first, self._now_us, self._usual_us = state["times"]

    def _so_far(self) -> tuple[int, Floats]:
        """Rows and means of the hour that is under way."""
        rows = int(self._counts[: self._known].sum())
        return rows, (self._counts @ self._table) / max(rows, 1)

    def _may(self, at_us: int) -> float:
        """How far a daily cycle may have got by then."""
        since_us = at_us if self._usual_us is None else self._usual_us
        return min(_AN_HOUR * (at_us - since_us) / _HOUR_US, _AT_MOST)

    def _end_hour(self, number: int) -> None:
        """The next hour with rows is `number`: those between had none."""
        rows, means = self._so_far()
        silent = range(self._hour + 1, min(number, self._hour + _REMEMBERED))
        self._rows[[hour % _REMEMBERED for hour in silent]] = 0
        place = self._hour % _REMEMBERED
        self._rows[place], self._means[place] = min(rows, 2**31 - 1), means
        if rows >= _LEAST_ROWS:
            middle = self._hour * _HOUR_US + _HOUR_US // 2
            may = self._may(middle + _HOUR_US // 2)
            self._usual += np.clip(means - self._usual, -may, may)
            self._usual_us = middle
        if self._range is None and number - self._first >= _DAY:
            known = self._rows >= _LEAST_ROWS
            if 2 * np.count_nonzero(known) >= _DAY:
                self._range = np.stack([self._means[known].min(axis=0), self._means[known].max(axis=0)])
        self._hour = number
        self._counts = np.zeros_like(self._counts)

    def _scatter(self, statistic: int) -> float:
        """The variance of one hour's mean among weeks."""
        both = (self._rows[:_WEEK] >= _LEAST_ROWS) & (self._rows[_WEEK:] >= _LEAST_ROWS)
        apart = self._means[:_WEEK][both, statistic] - self._means[_WEEK:][both, statistic]
        return float(np.median(apart**2)) / 2 / _MEDIAN_SQUARE if both.any() else 0.0

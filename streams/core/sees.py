"""The smallest change that a monitor's streams will see within 1,000 events, in words."""

from collections.abc import Iterable
from math import ceil

import numpy as np

from streamgauge.detectors.evidence.categorical import CategoricalEvidence
from streamgauge.detectors.evidence.disparity import DisparityEvidence
from streamgauge.detectors.evidence.gap import GapEvidence
from streamgauge.detectors.evidence.numeric import NumericEvidence
from streamgauge.detectors.evidence.pairs import PairEvidence
from streamgauge.detectors.evidence.rates import RateEvidence
from streamgauge.detectors.evidence.reach import (
    EVENTS,
    least_agreement,
    least_gap,
    least_jump,
    least_minutes,
    least_rate,
    least_ratio,
    least_share,
    least_shift,
    least_shortfall,
)
from streamgauge.detectors.evidence.traffic import TrafficEvidence
from streamgauge.schemas.monitor_fairness import SELECTION_RATE
from streamgauge.schemas.profile import CategoricalProfile, FeatureProfile, NumericProfile, RateProfile

#: By what is told, the size of each stream; None where it sees none.
Sizes = dict[str, list[float | None]]
_DAY_MINUTES = 1_440


def of_feature(
    profile: FeatureProfile, kind: NumericEvidence | CategoricalEvidence, stream: int, paid: float
) -> dict[str, float | None]:
    """A number's shift and spread, or how much more there is of the commonest category."""
    if isinstance(profile, NumericProfile):
        return {
            "a shift of {:.2f} sd": least_shift(profile, kind.bets, stream, paid),
            "a spread × {:.2f}": least_ratio(profile, kind.bets, stream, paid),
        }
    assert isinstance(profile, CategoricalProfile)
    shares = np.zeros(kind.bets.log_factors.shape[1])
    places = np.minimum(np.arange(len(profile.counts)), len(shares) - 2)
    np.add.at(shares, places, np.array(profile.counts) / profile.n)
    least = least_share(shares, 0, kind.bets, stream, paid)
    return {"the commonest category + {:.3f}": None if least is None else least - float(shares[0])}


def of_rate(profile: RateProfile, kind: RateEvidence, stream: int, paid: float) -> dict[str, float | None]:
    """How much more often."""
    least = least_rate(profile, kind.bets, stream, paid)
    return {"a rate + {:.3f}": None if least is None else least - profile.k / profile.n}


def of_errors(
    evidence: NumericEvidence | RateEvidence,
    profile: NumericProfile | RateProfile | None,
    paid: float,
) -> str | None:
    """Of wrong predictions their share, of sizes a shift."""
    if isinstance(evidence, RateEvidence) and isinstance(profile, RateProfile):
        least = least_rate(profile, evidence.bets, 0, paid)
        return "nothing" if least is None else f"errors {profile.k / profile.n:.3f} → {least:.3f}"
    if isinstance(evidence, NumericEvidence) and isinstance(profile, NumericProfile):
        return in_words([of_feature(profile, evidence, 0, paid)])
    return None


def of_pairs(evidence: PairEvidence, paid: float) -> str | None:
    """How much more, or less, often the features of the median pair agree."""
    words = "a pair that agrees ± {:.3f}"
    return in_words({words: least_agreement(evidence, pair, paid)} for pair in range(len(evidence.pairs)))


def of_estimate(evidence: GapEvidence, paid: float) -> str | None:
    """By how much fewer turn out right."""
    return in_words([{"outcomes {:.3f} below what was expected": least_shortfall(evidence, paid)}])


def of_groups(by_rate: Iterable[tuple[str, DisparityEvidence]], served: float, labelled: float) -> str:
    """A gap between the two most frequent groups of the median attribute, where there was none, within 1,000
    events that count for the rate; what is paid by prediction and by label."""
    found = in_words(
        {
            f"a gap of {{:.2f}} in {rate.replace('_', ' ')} between the two largest groups": least_gap(
                each, served if rate == SELECTION_RATE else labelled
            )
        }
        for rate, each in by_rate
        if np.count_nonzero(each.rates[0]) > 1
    )
    return found or "depends on how frequent its groups are: fewer than two so far"


def of_traffic(evidence: TrafficEvidence | None, a_day: float) -> str:
    """How soon a stop, and what jump in the minutes in which 1,000 events usually come."""
    if evidence is None or not evidence.has_band:
        return "depends on its first day: nothing before it is over"
    paid = a_day / _DAY_MINUTES
    usual = max(evidence.normal[2], 1e-9)
    minutes = min(max(ceil(EVENTS / usual), 1), _DAY_MINUTES)
    stop, jump = least_minutes(evidence, paid), least_jump(evidence, paid, minutes)
    told = [
        "no stop, as hours without events are usual" if stop is None else f"a stop in {stop:,} min",
        "no jump" if jump is None else f"traffic × {jump / usual:.1f} in {minutes:,} min",
    ]
    return ", ".join(told)


def in_words(streams: Iterable[dict[str, float | None]]) -> str | None:
    """The median of each size; "nothing" where half of the streams would see none within their events."""
    sizes: Sizes = {}
    for stream in streams:
        for words, size in stream.items():
            sizes.setdefault(words, []).append(size)
    told = []
    for words, found in sizes.items():
        median = sorted(np.inf if size is None else size for size in found)[len(found) // 2]
        if np.isfinite(median):
            told.append(words.format(median))
    return ", ".join(told) or ("nothing" if sizes else None)

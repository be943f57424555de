"""Fleets of 1,000 streams without any drift: in how many does anything alarm?

60 windows of 500 events of each stream, .05 expected false alarms in all of it. Independent events are drawn
as what evidence looks at, counts of bins by look, which is exact and quick; dependent ones as series.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.detection.streams import ANSWERS, AR5, AR9, LOGNORMAL, MOSTLY_ZEROS, NORMAL, Kind
from streamgauge.detectors.baseline import numeric_profile
from streamgauge.detectors.evidence.edetector import EDetector
from streamgauge.detectors.evidence.looks import LOOK, Taken
from streamgauge.detectors.evidence.numeric import NumericEvidence
from streamgauge.schemas.batch import Floats
from streamgauge.schemas.profile import NumericProfile

KINDS = (NORMAL, LOGNORMAL, ANSWERS, MOSTLY_ZEROS, AR5, AR9)
REFERENCES = (500, 2_000, 5_000)
STREAMS, EVENTS, SEEDS = 1_000, 60 * 500, 40
BUDGET = 0.05
#: Of the budget, what is paid in; the rest covers what references don't know.
_PAID = 0.9
_LOOKS_AT_A_TIME = 100


@dataclass(frozen=True, slots=True)
class Fleet:
    """One fleet's end: streams that alarmed, streams that were watched at all, of how many."""

    alarmed: int
    watched: int
    streams: int


def fleet(kind: Kind, seed: int, references: tuple[int, ...] = REFERENCES, streams: int = STREAMS,
          events: int = EVENTS) -> dict[int, Fleet]:  # fmt: skip
    """By rows of the reference; a shorter one is the end of a longer one."""
    rng = np.random.default_rng([seed, *kind.name.encode()])
    longest = max(references)
    rows = kind.draw(rng, (streams, longest + (events if kind.cdf is None else 0)))
    found = {}
    for m in references:
        profiles = [numeric_profile(row[longest - m : longest]) for row in rows]
        evidence = NumericEvidence([p for p in profiles if p], streams, BUDGET)
        if kind.cdf is None:
            alarmed = _from_series(evidence, rows[:, longest:])
        else:
            alarmed = _from_counts(evidence, _masses(kind, [p for p in profiles if p]), rng, events)
        found[m] = Fleet(alarmed, int(evidence.weight), streams)
    return found


def _from_series(evidence: NumericEvidence, values: Floats) -> int:
    streams, events = values.shape
    by_event = _PAID * BUDGET / (streams * events)
    for start in range(0, events, _LOOKS_AT_A_TIME * LOOK):
        at = np.arange(start, min(start + _LOOKS_AT_A_TIME * LOOK, events))
        evidence.update_many(values[:, at], at, by_event * (at + 1))
    return len({alarm.stream for alarm in evidence.take_alarms()})


def _from_counts(evidence: NumericEvidence, masses: Floats, rng: np.random.Generator, events: int) -> int:
    streams, by_event = len(masses), _PAID * BUDGET / (len(masses) * events)
    detector = EDetector([evidence.bets], paid=0.0)
    for first in range(0, events // LOOK, _LOOKS_AT_A_TIME):
        looks = np.arange(first, min(first + _LOOKS_AT_A_TIME, events // LOOK))
        counts = rng.multinomial(LOOK, masses, (len(looks), streams)).astype(np.float64)
        counts = np.concatenate([counts, np.zeros((len(looks), streams, 1))], axis=2)  # nothing is missing
        paid = (looks + 1) * LOOK * by_event
        detector.take_looks(Taken(counts.transpose(1, 0, 2), looks * LOOK, paid, counts.sum(axis=0)))
    return len({crossing.stream for crossing in detector.take_crossings()})


def _masses(kind: Kind, profiles: list[NumericProfile]) -> Floats:
    """How likely each bin of each profile really is, float64 (streams, bins)."""
    assert kind.cdf is not None
    masses = np.zeros((len(profiles), max(len(profile.counts) for profile in profiles)))
    for row, profile in zip(masses, profiles, strict=True):
        up_to = np.concatenate([[0.0], kind.cdf(np.array(profile.edges)), [1.0]])
        row[: len(profile.counts)] = np.diff(up_to)
    return masses

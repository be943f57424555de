"""Limits and burn rates: what fires, what does not, and how often it does for nothing."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from streamgauge.detectors.estimate import Estimate
from streamgauge.schemas.monitor import Rule
from streamgauge.streams.core.rules import BURNS, MINUTE_US, BurnRate, Threshold, crossed_limit

WINDOW = 5 * MINUTE_US
BAD = Estimate(0.75, 0.71, 0.79, 500)
GOOD = Estimate(0.85, 0.81, 0.88, 500)
UNSURE = Estimate(0.75, 0.60, 0.86, 30)
UNKNOWN = Estimate.undefined(3)
AT_LEAST = Rule(min=0.8, windows=2, severity="critical")


@pytest.mark.parametrize(
    ("rule", "estimate", "limit"),
    [
        (Rule(min=0.8), BAD, 0.8),
        (Rule(min=0.8), GOOD, None),
        (Rule(min=0.8), UNSURE, None),
        (Rule(min=0.8, raw=True), UNSURE, 0.8),
        (Rule(min=0.8, raw=True), UNKNOWN, None),
        (Rule(min=0.8), UNKNOWN, None),
        (Rule(max=0.7), BAD, 0.7),
        (Rule(max=0.74), BAD, None),
        (Rule(max=0.74, raw=True), BAD, 0.74),
        (Rule(min=0.79, max=0.9), BAD, None),  # touching the limit is not beyond it
        (Rule(min=0.1, max=0.7), BAD, 0.7),
        (Rule(min=0.8), Estimate(0.75, None, None, 500), None),
        (Rule(), BAD, None),
    ],
)
def test_a_limit_is_crossed_when_the_interval_excludes_it(rule, estimate, limit):
    assert crossed_limit(rule, estimate) == limit


@pytest.mark.parametrize(
    ("windows", "fires"),
    [
        ([BAD], [False]),
        ([BAD, BAD], [False, True]),
        ([BAD, GOOD, BAD, BAD], [False, False, False, True]),
        ([BAD, UNKNOWN, BAD], [False, False, True]),
        ([BAD, BAD, UNSURE], [False, True, False]),
    ],
)
def test_a_threshold_fires_after_enough_windows_in_a_row(windows, fires):
    threshold, found = Threshold("accuracy", "accuracy"), []
    for i, window in enumerate(windows):
        threshold.update(i * WINDOW, window, AT_LEAST)
        found.append(threshold.finding(AT_LEAST))
    assert [finding is not None for finding in found] == fires


def test_while_the_alert_is_open_one_window_is_enough():
    threshold = Threshold("accuracy", "accuracy")
    for i, window in enumerate([BAD, BAD, GOOD, BAD]):
        threshold.update(i * WINDOW, window, AT_LEAST)
    assert threshold.finding(AT_LEAST, is_open=True).onset_us == 3 * WINDOW


def test_a_finding_of_a_threshold_says_what_it_rests_on():
    threshold = Threshold("accuracy", "accuracy", (("country", "NO"),))
    threshold.update(7 * WINDOW, BAD, AT_LEAST)
    threshold.update(8 * WINDOW, BAD, AT_LEAST)
    finding = threshold.finding(AT_LEAST, baseline=0.9)
    assert (finding.value, finding.low, finding.high, finding.n) == (0.75, 0.71, 0.79, 500)
    assert (finding.limit, finding.baseline, finding.severity) == (0.8, 0.9, "critical")
    assert (finding.onset_us, finding.segment) == (7 * WINDOW, (("country", "NO"),))


def test_a_restated_window_replaces_what_was_known_of_it():
    threshold = Threshold("accuracy", "accuracy")
    told = []
    for start, window in [(0, BAD), (1, BAD), (0, GOOD), (0, BAD), (-1, GOOD)]:  # the last is too long ago
        is_new = threshold.update(start * WINDOW, window, AT_LEAST)
        told.append((is_new, threshold.finding(AT_LEAST) is not None))
    assert told == [(True, False), (True, True), (False, False), (False, True), (False, True)]


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from([BAD, GOOD, UNSURE, UNKNOWN])), max_size=30),
    st.integers(1, 4),
)
def test_a_threshold_remembers_no_more_than_it_judges_by_and_restores(updates, windows):
    rule = Rule(min=0.8, windows=windows)
    kept, restored = Threshold("accuracy", "accuracy"), Threshold("accuracy", "accuracy")
    for start, estimate in updates:
        is_new = kept.update(start * WINDOW, estimate, rule)
        assert restored.update(start * WINDOW, estimate, rule) == is_new
        assert restored.finding(rule) == kept.finding(rule)
        state = json.loads(json.dumps(restored.to_state()))
        assert len(state) <= windows
        restored = Threshold.from_state("accuracy", "accuracy", (), state)


def burn_of(*windows: tuple[int, int], start: int = 0) -> BurnRate:
    burn = BurnRate("failure_rate", "failure_rate", WINDOW)
    for i, (n, bad) in enumerate(windows, start):
        burn.update(i * WINDOW, n, bad)
    return burn


@pytest.mark.parametrize(
    ("windows", "severity"),
    [
        ([(1000, 10)] * 72, None),
        ([(1000, 0)] * 71 + [(1000, 1000)], None),  # 8 % of the hour burns 8.3 times too fast, not 14.4
        ([(1000, 0)] * 11 + [(1000, 1000)], "warning"),  # of what is there of six hours, 8 %
        ([(1000, 0)] * 10 + [(1000, 1000)] * 2, "critical"),
        ([(1000, 200)] * 12 + [(1000, 0)], "warning"),  # the last five minutes are fine, the half hour isn't
        ([(1000, 200)] * 12 + [(1000, 0)] * 6, None),
        ([(1000, 80)] * 72, "warning"),
        ([(1000, 50)] * 72, None),
        ([(1000, 144)] * 12, "warning"),
        ([(99, 99)], None),
        ([(100, 100)], "critical"),
        ([(0, 0)] * 72, None),
        ([], None),
    ],
)
def test_a_budget_burns(windows, severity):
    finding = burn_of(*windows).finding(target=0.99)
    assert (finding.severity if finding else None) == severity


def test_only_windows_that_are_present_count():
    burn = burn_of((1000, 300))
    burn.update(8 * WINDOW, 1000, 300)
    finding = burn.finding(target=0.99)
    assert (finding.value, finding.n) == (0.3, 2000)


def test_a_finding_of_a_burn_says_how_fast_and_since_when():
    finding = burn_of(*[(1000, 0)] * 8, *[(1000, 500)] * 4).finding(target=0.99)
    assert finding.value == pytest.approx(2000 / 12000)
    assert (finding.low, finding.high) == pytest.approx(
        tuple(stats.binomtest(2000, 12000).proportion_ci(method="wilson"))
    )
    assert finding.evidence == pytest.approx(finding.value / 0.01)
    assert (finding.evidence_threshold, finding.onset_us) == (14.4, 8 * WINDOW)
    assert (finding.limit, finding.baseline) == (pytest.approx(0.144), pytest.approx(0.01))


def test_a_total_failure_is_critical_whatever_the_target():
    for target in (0.05, 0.5, 0.9, 0.95, 0.999):
        assert burn_of(*[(1000, 1000)] * 12).finding(target).severity == "critical"
        assert burn_of(*[(1000, round(1000 * (1 - target)))] * 72).finding(target) is None


def test_windows_longer_than_the_short_span_are_judged_by_the_latest_one():
    burn = BurnRate("failure_rate", "failure_rate", 120 * MINUTE_US)
    burn.update(0, 1000, 0)
    burn.update(120 * MINUTE_US, 1000, 300)
    assert burn.finding(target=0.99).severity == "critical"
    burn.update(240 * MINUTE_US, 1000, 0)
    assert burn.finding(target=0.99) is None


def test_a_restated_window_counts_as_it_is_now_known():
    burn = burn_of(*[(1000, 300)] * 12)
    for i in range(12):
        burn.update(i * WINDOW, 1000, 0)
    assert burn.finding(target=0.99) is None


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 500), st.integers(0, 500)), max_size=60))
def test_a_burn_rate_agrees_with_the_plain_definition_forgets_and_restores(updates):
    burn, known = BurnRate("failure_rate", "failure_rate", WINDOW), {}
    for window, n, bad in updates:
        known[window] = (n, min(n, bad))
        burn.update(window * WINDOW, *known[window])
        state = json.loads(json.dumps(burn.to_state()))
        assert len(state) <= 72
        burn = BurnRate.from_state("failure_rate", "failure_rate", WINDOW, (), state)
    expected = None
    for spec in BURNS if known else ():
        long = [known[w] for w in known if w > max(known) - spec.long_us // WINDOW]
        short = [known[w] for w in known if w > max(known) - spec.short_us // WINDOW]
        n, bad = (sum(column) for column in zip(*long, strict=True))
        limit = spec.factor * 0.01
        recent = sum(b for _, b in short) > (1 - 0.99) * spec.factor * sum(n for n, _ in short)
        sure = n >= 100 and stats.binomtest(bad, n).proportion_ci(method="wilson").low > limit
        if recent and sure:
            expected = spec.severity
            break
    finding = burn.finding(target=0.99)
    assert (finding.severity if finding else None) == expected


@pytest.mark.slow
@pytest.mark.parametrize("target", [0.95, 0.99, 0.999])
def test_a_service_exactly_at_its_objective_seldom_alerts(target):
    """100 weeks of 2,000 windows with 1 to 100 requests each: at most one in twenty has an alarm."""
    rng = np.random.default_rng(7)
    alarmed = 0
    for week in range(100):
        n = rng.poisson((1, 3, 10, 100)[week % 4], 2_000)
        bad = rng.binomial(n, 1 - target)
        burn = BurnRate("failure_rate", "failure_rate", WINDOW)
        for i, (requests, failed) in enumerate(zip(n.tolist(), bad.tolist(), strict=True)):
            burn.update(i * WINDOW, requests, failed)
            if failed and burn.finding(target) is not None:
                alarmed += 1
                break
    assert alarmed <= 5

"""The sentence that people read first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.streams.core.findings import Contributor, Finding, OffsetRange
from streamgauge.streams.core.summary import duration_in_words, summarise

NOW = 1_795_255_200_000_000  # 2026-11-21T10:00Z
MINUTE = 60_000_000


@pytest.mark.parametrize(
    ("finding", "sentence"),
    [
        (Finding("accuracy", "accuracy", "critical", 0.72, limit=0.8), "accuracy 0.72, below the limit 0.80"),
        (Finding("f1", "f1", "info", 0.7996, limit=0.8), "F1 0.7996, below the limit 0.8000"),
        (Finding("x", "failure_rate", "info", 0.0213, baseline=0.001), "failure rate 0.021, was 0.001"),
        (
            Finding("x", "latency_p99_ms", "info", 1250.4, baseline=180.0, limit=500.0),
            "p99 latency 1,250 ms, was 180 ms, above the limit 500 ms",
        ),
        (
            Finding("latency", "latency_over_objective", "info", 0.21, baseline=0.01, limit=0.144),
            "share of slow answers 0.21, 0.01 is allowed, above the limit 0.14",
        ),
        (Finding("x", "throughput_per_s", "info", 12.0, baseline=85.25), "throughput 12.0/s, was 85.2/s"),
        (Finding("x", "mean_error", "info", -3.5, baseline=0.0), "mean error -3.50, was 0.00"),
        (
            Finding("x", "mean_absolute_error", "info", 0.0, baseline=1.0),
            "mean absolute error 0.00, was 1.00",
        ),
        (Finding("x", "mean_absolute_error", "info", 3e20), "mean absolute error 3e+20"),
        (Finding("drift", "psi", "info"), "PSI"),
        (
            Finding("fairness", "demographic_parity_difference", "info", 0.3, limit=0.05),
            "demographic parity difference 0.30, 0.05 is tolerated",
        ),
    ],
)
def test_a_sentence_says_what_is_wrong_and_against_what(finding, sentence):
    assert summarise("credit", "7", finding, NOW - 20 * MINUTE, NOW) == f"credit 7: {sentence} (since 09:40)"


def test_a_sentence_names_the_segment_the_day_and_who_contributes_most():
    contributors = (
        Contributor("income", 0.5, "up", 2.0),
        Contributor("age", 0.3, None, 1.0),
        Contributor(None, 0.1, "down", 0.2, group="sex=f"),
        Contributor("job", 0.1, "up", 0.1),
        Contributor("city", 0.0, "up", 0.1),
    )
    finding = Finding("drift", "drift", "info", contributors=contributors, segment=(("country", "NO"),))
    assert summarise("credit", "7", finding, NOW - 1500 * MINUTE, NOW, "resolved") == (
        "credit 7 [country=NO]: drift (since 2026-11-20 09:00); "
        "mostly income up, age, sex=f down and 2 more; resolved"
    )


def test_of_groups_it_is_said_which_stands_higher_not_which_has_moved():
    sides = tuple(Contributor(None, 0.5, d, 0.3, group=g) for d, g in (("up", "sex=m"), ("down", "sex=f")))
    finding = Finding("fairness", "demographic_parity_difference", "info", contributors=sides)
    assert summarise("credit", "7", finding, NOW, NOW).endswith("; sex=m highest, sex=f lowest")


@given(
    value=st.none() | st.floats(allow_nan=False),
    baseline=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    limit=st.none() | st.floats(allow_nan=False, allow_infinity=False),
)
def test_any_numbers_make_a_sentence(value, baseline, limit):
    finding = Finding("m", "accuracy", "info", value, baseline=baseline, limit=limit)
    assert "accuracy" in summarise("credit", "7", finding, NOW, NOW)


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(0, "0 min"), (119, "119 min"), (150, "2 h"), (60 * 47, "47 h"), (60 * 72, "3 days")],
)
def test_a_duration_is_rough(minutes, words):
    assert duration_in_words(minutes * MINUTE) == words


@given(
    st.builds(
        Finding,
        st.text(),
        st.text(),
        st.sampled_from(["info", "warning", "critical"]),
        contributors=st.lists(st.builds(Contributor, st.text(), st.floats(0, 1), st.text(), st.none())).map(
            tuple
        ),
        segment=st.lists(st.tuples(st.text(), st.text())).map(tuple),
        offsets=st.lists(st.builds(OffsetRange, st.text(), st.integers(), st.integers(), st.integers())).map(
            tuple
        ),
    )
)
def test_a_finding_survives_its_snapshot(finding):
    assert Finding.from_state(finding.to_state()) == finding

"""Exact sums: order, batches, merging and retraction change no bit."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.detectors.exact_sum import UNIT_BITS, ExactSum, ExactSums

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def exact(values: list[float]) -> float | None:
    try:
        return float(sum((Fraction(v) for v in values), Fraction(0)))
    except OverflowError:
        return None


@given(st.lists(FINITE, max_size=60))
def test_the_sum_is_correctly_rounded(values):
    total = ExactSum()
    total.update_many(np.array(values, dtype=float))
    assert total.value() == exact(values)


@given(st.lists(FINITE, max_size=40), st.lists(FINITE, max_size=40), st.randoms())
def test_any_order_any_batches_and_what_was_taken_back_leave_no_trace(kept, passing, random):
    straight = ExactSum()
    straight.update_many(np.array(kept, dtype=float))
    shuffled = kept + passing
    random.shuffle(shuffled)
    wandering, other = ExactSum(), ExactSum()
    for start in range(0, len(shuffled), 7):
        target = wandering if start % 2 else other
        target.update_many(np.array(shuffled[start : start + 7]))
    wandering.merge(other)
    random.shuffle(passing)
    wandering.subtract_many(np.array(passing, dtype=float))
    assert wandering.to_state() == straight.to_state()
    assert wandering.value() == exact(kept)


def test_subnormal_numbers_and_the_largest_float_are_summed_exactly():
    total = ExactSum()
    total.update_many(np.array([5e-324, 1.7976931348623157e308, 5e-324, -1.7976931348623157e308]))
    assert total.value() == 1e-323


def test_overflow_and_non_finite_values_make_the_sum_unknown_until_they_are_taken_back():
    total = ExactSum()
    total.update_many(np.array([1e308, 1e308, 1.5]))
    assert total.value() is None
    total.subtract_many(np.array([1e308, 1e308]))
    assert total.value() == 1.5
    total.update_many(np.array([math.inf]))
    assert total.value() is None
    total.subtract_many(np.array([math.inf]))
    assert total.value() == 1.5


def test_many_sums_are_each_what_one_sum_would_be():
    values = np.random.default_rng(7).normal(size=(3, 200)) * 10.0 ** np.arange(-100, 200, 100)[:, None]
    sums = ExactSums(3)
    sums.update_many(values)
    assert sums.values() == [math.fsum(row) for row in values]
    assert sums.scaled(1) == Fraction(*sum(map(Fraction, values[1])).as_integer_ratio()) * (1 << UNIT_BITS)


def test_a_state_comes_back_as_it_was():
    sums = ExactSums(2)
    sums.update_many(np.array([[0.1, -3e200], [math.nan, 2.0]]))
    again = ExactSums.from_state(sums.to_state())
    assert again.to_state() == sums.to_state()
    assert again.values() == [pytest.approx(-3e200), None]

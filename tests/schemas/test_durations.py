"""Durations: any value is read or refused, and what is read can be written and read again."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.schemas.durations import format_duration, parse_duration

UNITS = {"ms": 1_000, "s": 10**6, "m": 60 * 10**6, "h": 3_600 * 10**6, "d": 86_400 * 10**6}


@given(st.lists(st.tuples(st.integers(0, 99), st.sampled_from(list(UNITS))), min_size=1, max_size=4))
def test_the_parts_of_a_text_are_added(parts):
    text = "".join(f"{count}{unit}" for count, unit in parts)
    assert parse_duration(text) == sum(count * UNITS[unit] for count, unit in parts)


@given(st.floats(0, 10_000) | st.integers(0, 10_000) | st.from_regex(r"\A[0-9]{1,3}\.[0-9]{1,6}(ms|s|m)\Z"))
def test_what_was_read_is_the_same_when_it_is_written_and_read_again(value):
    duration_us = parse_duration(value)
    assert parse_duration(format_duration(duration_us)) == duration_us


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    )
)
def test_any_value_is_read_or_refused(value):
    with suppress(ValueError):
        assert isinstance(parse_duration(value), int)


@pytest.mark.parametrize("value", ["", "5", "m5", "5m x", "-5m", "4000d", 1e300, float("nan"), [5], True])
def test_what_is_no_duration_is_refused(value):
    with pytest.raises(ValueError, match="duration"):
        parse_duration(value)

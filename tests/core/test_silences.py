"""Silences are bounded, end, and replace each other."""

import pytest

from streamgauge.schemas.errors import BadEvent
from streamgauge.streams.core.silences import Silences, matcher_of

DRIFT = {"monitor": "drift", "version": "7"}


def test_the_empty_matcher_means_every_alert():
    silences = Silences()
    silences.add(matcher_of({}), 10)
    assert silences.cover(DRIFT, 9)


def test_all_fields_must_match():
    silences = Silences()
    silences.add(matcher_of({"monitor": "drift", "version": "8"}), 10)
    assert not silences.cover(DRIFT, 9)


def test_an_earlier_end_ends_a_silence():
    silences = Silences()
    silences.add(matcher_of(DRIFT), 10)
    silences.add(matcher_of(DRIFT), 5)
    assert not silences.cover(DRIFT, 5)


def test_beyond_the_limit_the_silence_that_ends_first_goes():
    silences = Silences(limit=2)
    for monitor, until_us in (("a", 30), ("b", 10), ("c", 20)):
        silences.add(matcher_of({"monitor": monitor}), until_us)
    assert [silences.cover({"monitor": m}, 5) for m in "abc"] == [True, False, True]


def test_ended_silences_are_forgotten():
    silences = Silences()
    silences.add(matcher_of(DRIFT), 10)
    silences.drop_ended(10)
    assert len(silences) == 0


def test_a_field_that_no_alert_has_is_refused():
    with pytest.raises(BadEvent, match="no field 'Monitor'"):
        matcher_of({"Monitor": "drift"})

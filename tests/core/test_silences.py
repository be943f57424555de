"""Silences are bounded, begin, end, and replace each other."""

import json
from typing import Any

import pytest

from streamgauge.schemas.control import Silence
from streamgauge.schemas.errors import BadEvent
from streamgauge.streams.core.silences import Silences

DRIFT = {"monitor": "drift", "version": "7"}


def silence(matcher: dict[str, str], until_us: int, start_us: int | None = None) -> Silence:
    return Silence(actor="kari", time_us=0, until_us=until_us, start_us=start_us, matcher=matcher)


def held(*said: Silence, limit: int = 1_000) -> Silences:
    silences = Silences(limit)
    for each in said:
        silences.add(each)
    return silences


def quiet(silences: Silences, *times_us: int) -> list[bool]:
    return [silences.cover(DRIFT, now_us) for now_us in times_us]


def test_the_empty_matcher_means_every_alert():
    assert quiet(held(silence({}, 10)), 9) == [True]


def test_all_fields_must_match():
    assert quiet(held(silence({"monitor": "drift", "version": "8"}, 10)), 9) == [False]


def test_a_silence_of_a_maintenance_to_come_waits_for_its_start():
    assert quiet(held(silence(DRIFT, 10, start_us=5)), 4, 5, 9, 10) == [False, True, True, False]


def test_an_earlier_end_ends_a_silence():
    assert quiet(held(silence(DRIFT, 10), silence(DRIFT, 5)), 4, 5) == [True, False]


def test_another_time_is_another_silence_of_the_same_alerts():
    silences = held(silence(DRIFT, 10), silence(DRIFT, 30, start_us=20))
    assert quiet(silences, 9, 10, 20) == [True, False, True]
    silences.add(silence(DRIFT, 5))
    assert quiet(silences, 5, 20) == [False, True]
    silences.add(silence(DRIFT, 21, start_us=19))
    assert quiet(silences, 19, 20, 21) == [True, True, False]


def test_beyond_the_limit_the_silence_that_ends_first_goes():
    said = [silence({"monitor": m}, until_us) for m, until_us in (("a", 30), ("b", 10), ("c", 20))]
    silences = held(*said, limit=2)
    assert [silences.cover({"monitor": m}, 5) for m in "abc"] == [True, False, True]


def test_ended_silences_are_forgotten():
    silences = held(silence(DRIFT, 10), silence(DRIFT, 30, start_us=20))
    silences.drop_ended(10)
    assert [each.until_us for each in silences] == [30]


def test_who_said_it_and_why_survives_a_restart():
    said = Silence(actor="kari", time_us=1, until_us=9, start_us=2, model="m", matcher=DRIFT, note="deploy")
    state: Any = json.loads(json.dumps(held(said, silence({}, 5)).to_state()))
    assert list(Silences.from_state(state)) == [said, silence({}, 5)]


def test_a_field_that_no_alert_has_is_refused():
    with pytest.raises(BadEvent, match="no field 'Monitor'"):
        held(silence({"Monitor": "drift"}, 10))

"""Identities and times, against the standard library and hashlib as oracles."""

import hashlib
import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.ids import identities, identity, uuid7
from streamgauge.schemas.times import EARLIEST_US, LATEST_US, format_time, parse_time

WHEN = st.integers(EARLIEST_US, LATEST_US - 1)
ZONES = st.builds(lambda minutes: timezone(timedelta(minutes=minutes)), st.integers(-1_439, 1_439))


@given(st.uuids())
def test_a_uuid_is_its_own_bytes_in_either_case(given_id: uuid.UUID) -> None:
    assert identity(str(given_id)) == identity(str(given_id).upper()) == given_id.bytes


@given(st.text())
def test_any_other_id_is_its_blake2b_hash(text: str) -> None:
    expected = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    assert identity(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "01975bcd000070008000 0123456789ab",
        "01975bcd000070008000012345678901",
        "{01975bcd-0000-7000-8000-0123456789ab}",
        "01975bcd-0000-7000-8000-0123456789ab\n",
        "٠1975bcd-0000-7000-8000-0123456789ab",
    ],
)
def test_what_only_looks_like_a_uuid_is_hashed(text: str) -> None:
    assert identity(text) == hashlib.blake2b(text.encode(), digest_size=16).digest()


@given(st.lists(st.text(max_size=5), max_size=8))
def test_a_column_of_identities_is_each_of_them(texts: list[str]) -> None:
    column = identities(texts)
    assert column.tobytes() == b"".join(map(identity, texts))
    assert column.shape == (len(texts),)


@given(st.integers(0, 2**57), st.binary(min_size=10, max_size=10))
def test_a_uuid7_is_one_and_carries_its_milliseconds(time_us: int, random_bytes: bytes) -> None:
    made = uuid.UUID(uuid7(time_us, random_bytes))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == time_us // 1_000
    assert made.int & (1 << 62) - 1 == int.from_bytes(random_bytes, "big") & (1 << 62) - 1


def test_a_uuid7_needs_ten_random_bytes() -> None:
    with pytest.raises(ValueError, match="10 random bytes, not 3"):
        uuid7(0, b"abc")


@given(WHEN)
def test_a_time_comes_back_as_it_was(time_us: int) -> None:
    assert parse_time(format_time(time_us)) == parse_time(time_us) == time_us
    assert format_time(time_us).endswith("Z")


@given(st.datetimes(datetime(2000, 1, 3), datetime(2099, 12, 29), timezones=ZONES))
def test_any_zone_is_understood(moment: datetime) -> None:
    expected = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert parse_time(moment.isoformat()) == expected


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("2026-11-21T10:00:00Z", 0),
        ("2026-11-21T10:00:00.5Z", 500_000),
        ("2026-11-21T10:00:00.123456789Z", 123_456),
        ("2026-11-21T10:00:00.000000-00:00", 0),
    ],
)
def test_the_forms_of_rfc_3339(text: str, us: int) -> None:
    assert parse_time(text) == 1_795_255_200_000_000 + us


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("2026-11-21T10:00:00", Reason.WRONG_TYPE),
        ("2026-11-21 10:00:00Z", Reason.WRONG_TYPE),
        ("2026-11-21", Reason.WRONG_TYPE),
        ("2026-11-21t10:00:00z", Reason.WRONG_TYPE),
        ("20261121T100000Z", Reason.WRONG_TYPE),
        ("2026-W47-6T10:00:00Z", Reason.WRONG_TYPE),
        ("2026-11-21T10:00:00.1234567890Z", Reason.WRONG_TYPE),
        ("٢٠26-11-21T10:00:00Z", Reason.WRONG_TYPE),
        ("", Reason.WRONG_TYPE),
        (1.5, Reason.WRONG_TYPE),
        (True, Reason.WRONG_TYPE),
        (None, Reason.WRONG_TYPE),
        ("2026-13-21T10:00:00Z", Reason.OUT_OF_RANGE),
        ("2026-11-21T10:00:60Z", Reason.OUT_OF_RANGE),
        ("2026-11-21T10:00:00+24:00", Reason.OUT_OF_RANGE),
        ("1999-12-31T23:59:59.999999Z", Reason.OUT_OF_RANGE),
        ("2100-01-01T00:00:00Z", Reason.OUT_OF_RANGE),
        ("9999-12-31T23:59:59-23:59", Reason.OUT_OF_RANGE),
        ("0001-01-01T00:00:00+23:59", Reason.OUT_OF_RANGE),
        (1_795_255_200, Reason.OUT_OF_RANGE),
        (10**40, Reason.OUT_OF_RANGE),
        (-1, Reason.OUT_OF_RANGE),
    ],
)
def test_what_is_no_time_ends_with_its_reason(value: object, reason: Reason) -> None:
    with pytest.raises(BadEvent) as refused:
        parse_time(value)  # type: ignore[arg-type]
    assert refused.value.reason is reason

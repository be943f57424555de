"""The index of identities: found whatever their number, their pattern, or who chose them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.streams.core import hash_index
from streamgauge.streams.core.hash_index import HashIndex, hashed, no_two

BUCKETS = np.uint64(65_535)
#: Of another process.
KEY = np.array([7, 1 << 31, 12345, 999], "<u4")


def buckets(ids: np.ndarray) -> int:
    """How many of 65,536 buckets they take."""
    return len(np.unique(hashed(ids) & BUCKETS))


def random_like(n: int) -> float:
    """Of the buckets that as many random identities would take, most."""
    return 0.8 * 65_536 * (1 - np.exp(-n / 65_536))


@pytest.mark.parametrize("place", range(16))
def test_identities_that_count_up_do_not_crowd_the_index(place: int) -> None:
    n = 20_000
    raw = np.zeros((n, 16), np.uint8)
    for byte in range(2):
        raw[:, (place + byte) % 16] = np.arange(n) >> (8 * byte) & 255
    assert buckets(raw.reshape(-1).view("S16")) > random_like(n)


def test_identities_made_to_share_a_bucket_do_so_only_for_the_key_they_were_made_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    n = 20_000
    words = np.zeros((n, 4), "<u4")
    words[:, 0] = np.arange(n)
    words[:, 1] = -KEY[1].astype(np.int64) & 0xFFFFFFFF  # with that key, what stands before it is times zero
    crafted = words.view("S16").reshape(-1)
    assert buckets(crafted) > random_like(n)
    monkeypatch.setattr(hash_index, "_KEY", KEY)
    assert buckets(crafted) == 1


@given(st.lists(st.binary(min_size=16, max_size=16), unique=True, min_size=1, max_size=60), st.data())
def test_what_is_found_does_not_depend_on_the_key(made: list[bytes], data: st.DataObject) -> None:
    known = np.array(made, "S16")
    asked = known[data.draw(st.lists(st.integers(0, len(made) - 1), max_size=20))]
    found = []
    for key in (hash_index._KEY, KEY):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(hash_index, "_KEY", key)
            index = HashIndex(0)
            index.insert(hashed(known), np.arange(len(known)), no_two)
            same = lambda rows, at: known[rows] == asked[at]  # noqa: E731
            found.append(index.search(hashed(asked), same)[0].tolist())
    assert found[0] == found[1] == [made.index(bytes(each).ljust(16, b"\0")) for each in asked.tolist()]

"""What may be committed, against the plain definition: everything below the first event that isn't done."""

from hypothesis import given
from hypothesis import strategies as st

from streamgauge.clients.offsets import OffsetTracker


@given(
    offsets=st.lists(st.integers(0, 50), unique=True, max_size=12).map(sorted),
    done=st.lists(st.integers(0, 50), max_size=20),
)
def test_all_below_the_first_open_event_may_be_committed(offsets: list[int], done: list[int]) -> None:
    tracker = OffsetTracker()
    assert tracker.committable is None
    for offset in offsets:
        tracker.delivered(offset)
    still_open = set(offsets)
    for offset in done:
        assert tracker.done(offset) == (offset in still_open)
        still_open.discard(offset)
    expected = min(still_open, default=offsets[-1] + 1) if offsets else None
    assert tracker.committable == expected

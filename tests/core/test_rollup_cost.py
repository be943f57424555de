"""What a day costs when it is told: its hours, and not its windows once more."""

import numpy as np
import pytest

from streamgauge.streams.core.bag import Served
from streamgauge.streams.core.rollups import DAY_US, HOUR_US, Rollups
from streamgauge.streams.core.windows import Window
from tests.core.scenario import START_US

WINDOW_US = 300_000_000
MIDNIGHT_US = START_US - START_US % DAY_US


def day() -> tuple[Rollups, list[Window]]:
    """Roll-ups of a day whose windows are all still held."""
    rollups, windows, rng = Rollups(WINDOW_US), [], np.random.default_rng(0)
    for start_us in range(MIDNIGHT_US, MIDNIGHT_US + DAY_US, WINDOW_US):
        window = Window(start_us, start_us + WINDOW_US, True)
        serve(window, rng.gamma(2.0, 10.0, 5))
        windows.append(window)
        list(rollups.of(start_us, True))
    return rollups, windows


def serve(window: Window, latency_ms: np.ndarray) -> None:
    n = len(latency_ms)
    window.serve(Served(latency_ms, np.zeros(n, np.bool_), np.zeros(n)), ((), ()), {}, None)


@pytest.fixture
def merges(monkeypatch: pytest.MonkeyPatch) -> list[Window]:
    """The windows and roll-ups that were merged into something."""
    found: list[Window] = []
    merge = Window.merge

    def counted(self: Window, other: Window) -> None:
        found.append(other)
        merge(self, other)

    monkeypatch.setattr(Window, "merge", counted)
    return found


def test_a_day_is_merged_from_its_hours_and_only_an_hour_that_changed_from_its_windows(
    merges: list[Window],
) -> None:
    rollups, windows = day()
    for hour in range(24):
        rollups.whole(rollups.held[HOUR_US, MIDNIGHT_US + hour * HOUR_US], windows)
    whole_day = rollups.held[DAY_US, MIDNIGHT_US]
    merges.clear()
    before = rollups.whole(whole_day, windows)
    assert len(merges) == 1 + 24
    changed = windows[100]
    rollups.touch(changed.start_us)
    serve(changed, np.array([7.0]))
    merges.clear()
    after = rollups.whole(whole_day, windows)
    assert len(merges) == 1 + 24 + 1 + 12
    assert after.bags[()].n == before.bags[()].n + 1 == 288 * 5 + 1


def test_a_day_says_the_same_whether_its_hours_were_kept_or_not() -> None:
    kept, windows = day()
    for hour in range(0, 24, 2):
        kept.whole(kept.held[HOUR_US, MIDNIGHT_US + hour * HOUR_US], windows)
    for window in windows[:30]:  # some are in their hours already
        kept.fold(window)
    fresh, again = day()
    days = [
        rollups.whole(rollups.held[DAY_US, MIDNIGHT_US], held)
        for rollups, held in ((kept, windows[30:]), (fresh, again))
    ]
    first, second = (str(whole.to_state()) for whole in days)
    assert first == second


def test_an_hour_whose_windows_are_all_folded_is_not_held_twice(merges: list[Window]) -> None:
    rollups, windows = day()
    hour = rollups.held[HOUR_US, MIDNIGHT_US]
    for window in windows[:12]:
        rollups.fold(window)
    merges.clear()
    assert rollups.whole(hour, windows[12:]) is hour
    assert not merges

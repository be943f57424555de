"""A limit that is hardly crossed is one alert, and the end of it is told soon (decision 0030)."""

from collections.abc import Sequence
from statistics import median

import numpy as np
import pytest

from streamgauge.detectors.estimate import Estimate
from streamgauge.detectors.intervals import proportion
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.streams.core.alert_context import AlertContext
from streamgauge.streams.core.alerts import AlertBook
from streamgauge.streams.core.limits import Limits
from streamgauge.streams.core.reports import Measured
from streamgauge.streams.core.windows import Window

WINDOW_US = 300_000_000
START_US = 1_800_000_000_000_000 // WINDOW_US * WINDOW_US
#: What is beyond a limit of .8: surely, by its value alone, not at all.
SURELY, HARDLY = Estimate(0.75, 0.71, 0.79, 500), Estimate(0.79, 0.75, 0.82, 500)
WITHIN, UNKNOWN = Estimate(0.82, 0.78, 0.85, 500), Estimate.undefined(3)
DEFINITION = MonitorDefinition(model="credit", monitors={"accuracy": {"min": 0.8, "windows": 2}})
REQUESTS, LIMIT = 500, 0.8
#: The standard error of a window's share of so many requests, at the limit.
ERROR = (LIMIT * (1 - LIMIT) / REQUESTS) ** 0.5


class Watched:
    """One limit on accuracy as the core watches it: of the verdicts of `Limits` the book makes alerts."""

    def __init__(self, definition: MonitorDefinition = DEFINITION) -> None:
        self.definition = definition
        self.context = AlertContext.of(definition)
        self.limits = Limits()
        self.book = AlertBook("credit")

    def tell(self, window: int, estimate: Estimate, now: float | None = None) -> list[str]:
        """The states of the alert that are told when a window is, at `now` in windows; soon after its end, if
        that is not given."""
        start_us = START_US + window * WINDOW_US
        now_us = START_US + int((window + 1.1 if now is None else now) * WINDOW_US)
        number = Measured("accuracy", estimate)
        closed = Window(start_us, start_us + WINDOW_US, classes=True)
        told = []
        for monitor, segment, finding in self.limits.crossed(
            "7", closed, [number], self.definition, self.book
        ):
            told += self.book.observe("7", monitor, segment, finding, now_us, None, self.context)
        return [output.record["state"] for output in told]

    @property
    def is_open(self) -> bool:
        return self.book.is_open("7", "accuracy", ())


@pytest.mark.parametrize(
    ("windows", "told"),
    [
        # what opens must be sure, in so many windows in a row
        ([HARDLY] * 9, {}),
        ([SURELY, HARDLY, SURELY], {}),
        ([SURELY, SURELY], {1: "opened"}),
        # what goes on need not be
        ([SURELY, SURELY, *[HARDLY] * 9], {1: "opened"}),
        ([SURELY, SURELY, WITHIN, WITHIN, HARDLY, WITHIN, WITHIN], {1: "opened"}),
        ([SURELY, SURELY, WITHIN, WITHIN, SURELY, WITHIN, WITHIN], {1: "opened"}),
        ([SURELY, SURELY, WITHIN, UNKNOWN, WITHIN, UNKNOWN], {1: "opened"}),
        # three windows in a row with a value within the limit are the end, sure or not
        ([SURELY, SURELY, WITHIN, WITHIN, WITHIN], {1: "opened", 4: "resolved"}),
        ([SURELY, SURELY, WITHIN, UNKNOWN, WITHIN, WITHIN], {1: "opened", 5: "resolved"}),
        ([SURELY, SURELY, HARDLY, WITHIN, WITHIN, WITHIN], {1: "opened", 5: "resolved"}),
    ],
)
def test_an_alert_opens_when_it_is_sure_and_goes_on_while_it_is_seen(
    windows: Sequence[Estimate], told: dict[int, str]
) -> None:
    watched = Watched()
    found = {i: states[0] for i, each in enumerate(windows) if (states := watched.tell(i, each))}
    assert found == told


@pytest.mark.parametrize(
    ("then", "resolves"),
    [
        # (window, what it is known to be now, when it is told); window 2 was within its limit at 3.1
        (
            [(2, WITHIN, 4.1), (2, WITHIN, 5.1), (2, WITHIN, 6.1)],
            False,
        ),  # it is one quiet window all the same
        ([(1, WITHIN, 4.1), (0, WITHIN, 5.1), (1, WITHIN, 6.1)], False),  # and what was before it none
        ([(2, HARDLY, 4.1), (3, WITHIN, 4.2), (4, WITHIN, 5.1)], False),  # it is beyond, after all
        ([(1, SURELY, 4.1), (3, WITHIN, 4.2), (4, WITHIN, 5.1)], True),  # of one before it that is no news
        ([(3, WITHIN, 4.1), (4, WITHIN, 5.1)], True),
    ],
)
def test_a_window_that_labels_restate_ends_an_alert_no_sooner(
    then: Sequence[tuple[int, Estimate, float]], resolves: bool
) -> None:
    watched = Watched()
    for window, estimate in enumerate([SURELY, SURELY, WITHIN]):
        watched.tell(window, estimate)
    for window, estimate, now in then:
        watched.tell(window, estimate, now)
    assert watched.is_open is not resolves


def test_the_alert_that_is_open_says_so_also_when_its_interval_holds_the_limit() -> None:
    watched = Watched()
    for window, estimate in enumerate([SURELY, SURELY, HARDLY]):
        watched.tell(window, estimate)
    [episode] = watched.book.open_episodes()
    assert (episode.finding.value, episode.finding.limit, episode.lull.windows) == (0.79, 0.8, 0)


def windows_of(share: float, windows: int, rng: np.random.Generator) -> list[Estimate]:
    return [proportion(int(k), REQUESTS) for k in rng.binomial(REQUESTS, share, windows)]


@pytest.mark.parametrize(
    ("errors_from_the_limit", "most_openings"),
    [(2, 0.0), (1, 0.0), (0, 0.5), (-1, 2.2), (-2, 1.1), (-4, 1.0)],  # it was 0, 0, .1, 4.9, 10.3 and 1
)
def test_a_metric_that_stays_near_its_limit_opens_next_to_one_alert(
    errors_from_the_limit: int, most_openings: float
) -> None:
    """On average over 40 simulated streams of 200 windows."""
    rng, openings = np.random.default_rng(30), 0
    for _ in range(40):
        watched = Watched()
        share = LIMIT + errors_from_the_limit * ERROR
        for i, estimate in enumerate(windows_of(share, 200, rng)):
            openings += watched.tell(i, estimate).count("opened")
    assert openings / 40 <= most_openings


@pytest.mark.parametrize(("errors_beyond", "at_most"), [(1, 5), (2, 4), (4, 3), (8, 3)])
def test_a_recovery_is_told_after_three_windows_or_little_more(errors_beyond: int, at_most: int) -> None:
    """The median of 40 streams; of a metric that came back to a standard error within its limit too."""
    rng, waited = np.random.default_rng(31), []
    for _ in range(40):
        watched = Watched()
        bad, good = (windows_of(LIMIT + z * ERROR, n, rng) for z, n in ((-4, 20), (errors_beyond, 100)))
        told = [watched.tell(i, estimate) for i, estimate in enumerate(bad + good)]
        assert watched.book.last_number == 1
        waited.append(next(i for i, states in enumerate(told) if "resolved" in states) - 19)
    assert median(waited) <= at_most

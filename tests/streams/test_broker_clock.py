"""Ticks have the brokers' time, whatever this machine's clock says."""

from streamgauge.streams.broker_clock import LIVE_US, PATIENCE_US, BrokerClock

AT = ("predictions", 3)
SECOND_US = 1_000_000
#: The brokers' time when the steady clocks of these tests begin.
NOON_US = 1_795_262_400_000_000


class Machine:
    """Its two clocks."""

    def __init__(self) -> None:
        self.steady_us = 0
        self.ahead_us = 0
        self.clock = BrokerClock(lambda: NOON_US + self.steady_us + self.ahead_us, lambda: self.steady_us)

    def live(self, offset: int, after_us: int = 0) -> None:
        """A record comes while the consumer waits for it."""
        self.clock.waits(AT, end=offset)
        self.steady_us += after_us
        self.clock.took(AT, offset, NOON_US + self.steady_us)


def test_a_clock_that_jumps_does_not_move_time() -> None:
    machine = Machine()
    machine.live(offset=0, after_us=SECOND_US)
    for ahead_us in (3_600 * SECOND_US, -3_600 * SECOND_US, 0):
        machine.ahead_us = ahead_us
        machine.steady_us += SECOND_US
        assert machine.clock.now_us() == NOON_US + machine.steady_us


def test_a_clock_that_was_wrong_from_the_start_is_right_with_the_first_live_record() -> None:
    machine = Machine()
    machine.ahead_us = 3_600 * SECOND_US
    assert not machine.clock.is_known
    machine.live(offset=0)
    assert machine.clock.is_known
    assert machine.clock.now_us() == NOON_US


def test_a_record_of_a_backlog_says_nothing_about_the_time() -> None:
    machine = Machine()
    machine.live(offset=0)
    machine.steady_us += 3_600 * SECOND_US
    machine.clock.waits(AT, end=9)
    machine.clock.took(AT, offset=5, appended_us=NOON_US)  # it was there before
    machine.clock.took(AT, offset=9, appended_us=NOON_US)  # nobody waited for it
    assert machine.clock.now_us() == NOON_US + machine.steady_us


def test_a_record_that_a_stopped_process_finds_says_nothing_about_the_time() -> None:
    machine = Machine()
    machine.live(offset=0)
    machine.clock.waits(AT, end=1)
    machine.steady_us += LIVE_US + 1
    machine.clock.took(AT, offset=1, appended_us=NOON_US)
    assert machine.clock.now_us() == NOON_US + machine.steady_us


def test_where_no_record_comes_the_machines_own_clock_must_do() -> None:
    machine = Machine()
    machine.steady_us = PATIENCE_US - 1
    assert not machine.clock.is_known
    machine.steady_us = PATIENCE_US
    assert machine.clock.is_known
    assert machine.clock.now_us() == NOON_US + PATIENCE_US

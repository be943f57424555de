"""How long to leave a target alone that fails: longer each time, and as long as it asks for."""

SECOND_US = 1_000_000
#: So many failures in a row, and the target is left alone: only one notification tries it then.
THRESHOLD = 5
LONGEST_US = 300 * SECOND_US
#: What a Retry-After may ask for.
LONGEST_ASKED_US = 3_600 * SECOND_US


def backoff_us(failures: int) -> int:
    """1 s after the first failure, twice as long after each, 5 minutes at most.

    >>> [backoff_us(n) // SECOND_US for n in (1, 2, 3, 9, 10, 5_000)]
    [1, 2, 4, 256, 300, 300]
    """
    return min(SECOND_US << min(failures - 1, 20), LONGEST_US)


class Breaker:
    """The circuit breaker of one target.

    >>> breaker = Breaker()
    >>> for second in range(THRESHOLD):
    ...     breaker.failed(second * SECOND_US)
    >>> breaker.is_open(5 * SECOND_US), breaker.is_open(20 * SECOND_US)
    (True, False)
    >>> breaker.failed(20 * SECOND_US)  # the one that tried
    >>> breaker.is_open(50 * SECOND_US)
    True
    >>> breaker.succeeded(60 * SECOND_US); breaker.is_open(60 * SECOND_US)
    False
    """

    def __init__(self) -> None:
        self.failures = 0
        self.until_us = 0

    @property
    def is_tripped(self) -> bool:
        """Whether it failed so often that only one notification at a time tries it."""
        return self.failures >= THRESHOLD

    def is_open(self, now_us: int) -> bool:
        """Whether nothing may be sent now."""
        return now_us < self.until_us

    def succeeded(self, now_us: int) -> None:
        """It answers."""
        self.failures = 0
        self.until_us = min(self.until_us, now_us)

    def failed(self, now_us: int, asked_us: int = 0) -> None:
        """It does not, or asks for a pause of `asked_us`."""
        self.failures += 1
        if self.is_tripped:
            self.until_us = now_us + backoff_us(self.failures)
        self.until_us = max(self.until_us, now_us + min(asked_us, LONGEST_ASKED_US))

"""`Counts`: where every event of a model ended: the intake ledger."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass


@dataclass(slots=True)
class Counts:
    """Every event ends in exactly one of the first four, or is dead-lettered."""

    applied: int = 0
    duplicate: int = 0
    stale_revision: int = 0
    late: int = 0
    capped: int = 0
    lost_by_client: int = 0


def totals(ledgers: Iterable[tuple[Counts, Mapping[str, int]]]) -> Mapping[str, int]:
    """The two ledgers of each model, intake and join, summed.

    >>> totals([(Counts(applied=2), {"pending": 1}), (Counts(applied=3), {"pending": 0})])["applied"]
    5
    """
    found: Counter[str] = Counter()
    for intake, join in ledgers:
        found.update(asdict(intake))
        found.update(join)
    return found

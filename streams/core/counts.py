"""`Counts`: where every event of a model ended: the intake ledger."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """Every event ends in exactly one of the first four, or is dead-lettered."""

    applied: int = 0
    duplicate: int = 0
    stale_revision: int = 0
    late: int = 0
    capped: int = 0
    lost_by_client: int = 0

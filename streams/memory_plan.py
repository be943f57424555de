"""`MemoryPlan`: what a worker's memory is for: the process, the disk's buffers, and state."""

from dataclasses import dataclass

#: A process with all its libraries, Kafka's clients, and what they have fetched of a backlog.
PROCESS_BYTES = 300_000_000
#: Less leaves nothing to work with.
LEAST_BYTES = 350_000_000
#: RocksDB's caches and write buffers, of all partitions together.
_DISK, _LEAST_DISK_BYTES, _MOST_DISK_BYTES = 0.08, 16_000_000, 128_000_000
#: Of the rest. What else there is: what is under way, and what an allocator cannot use.
_STATE = 0.7


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Bytes; what is left is for what is under way.

    >>> plan = MemoryPlan.of(1_000_000_000)
    >>> plan.disk_bytes, plan.state_bytes
    (80000000, 434000000)
    """

    most_bytes: int
    disk_bytes: int
    state_bytes: int

    @classmethod
    def of(cls, most_bytes: int) -> "MemoryPlan":
        """Of a process that may take so much."""
        disk_bytes = min(max(round(most_bytes * _DISK), _LEAST_DISK_BYTES), _MOST_DISK_BYTES)
        return cls(most_bytes, disk_bytes, round((most_bytes - PROCESS_BYTES - disk_bytes) * _STATE))

    @staticmethod
    def most_for(state_bytes: int) -> int:
        """What a process has to be given so that so much is left for state, about."""
        return PROCESS_BYTES + round(state_bytes / _STATE / (1 - _DISK))

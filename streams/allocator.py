"""What was freed goes back to the machine: glibc keeps it, in pieces that fit nothing else."""

import ctypes

_LIBRARY = ctypes.CDLL(None)


def give_back() -> None:
    """Some milliseconds; where the C library is another one, nothing happens."""
    if hasattr(_LIBRARY, "malloc_trim"):
        _LIBRARY.malloc_trim(0)

"""What was freed goes back to the machine: glibc keeps it, in pieces that fit nothing else."""

import ctypes
import os
from pathlib import Path

_LIBRARY = ctypes.CDLL(None)
#: Some milliseconds are spent for each time that the process has grown by so much.
_WORTH_BYTES = 16_000_000


class GiveBack:
    """Gives back what was freed, if that may be much: the process has grown, or `left` says that state has
    left memory. Where the C library is another one, nothing happens."""

    def __init__(self) -> None:
        self._after_bytes = 0

    def __call__(self, left: bool) -> None:
        if left or resident_bytes() > self._after_bytes + _WORTH_BYTES:
            if hasattr(_LIBRARY, "malloc_trim"):
                _LIBRARY.malloc_trim(0)
            self._after_bytes = resident_bytes()


def resident_bytes() -> int:
    """What this process has of the machine's memory; 0 where there is no /proc."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0

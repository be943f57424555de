"""What is done to a worker's machine: its disk fills up, its clock jumps."""

import contextlib
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

_DISK_MB = 96
_SOURCE = Path(__file__).with_name("wrong_clock.c")


class Disk:
    """The workers' state directory: a small file system of its own in memory where mounting is permitted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_own = False

    def mount(self) -> None:
        """A tmpfs, or else an ordinary directory, which cannot be filled."""
        self.path.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_MB}m", "streamgauge-chaos", str(self.path)]
        with contextlib.suppress(OSError):
            self.is_own = subprocess.run(command, capture_output=True, check=False).returncode == 0

    def fill(self) -> None:
        """Until nothing more can be written."""
        with contextlib.suppress(OSError), (self.path / "ballast").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))

    def free(self) -> None:
        """Room again."""
        (self.path / "ballast").unlink(missing_ok=True)

    def unmount(self) -> None:
        """Its contents go with it."""
        if self.is_own:
            subprocess.run(["umount", "-l", str(self.path)], capture_output=True, check=False)


class Clock:
    """The wall clock of the workers, where a C compiler is at hand; the monotonic one goes on as it does."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "clock"
        self._library = directory / "wrong_clock.so"
        self.set(0)
        self.can_jump = _compile(self._library)

    @property
    def environment(self) -> Mapping[str, str]:
        """For a worker whose clock can be set while it runs."""
        return {"LD_PRELOAD": str(self._library), "WRONG_CLOCK": str(self._file)} if self.can_jump else {}

    def set(self, ahead_s: float) -> None:
        """How far the clock is ahead of the truth; all at once."""
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("=q", round(ahead_s * 1e9)))


def _compile(library: Path) -> bool:
    command = ["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(_SOURCE), "-ldl"]
    with contextlib.suppress(OSError):
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    return False

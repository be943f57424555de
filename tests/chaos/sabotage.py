"""What is done to a worker's machine: its disk fills up, its clock jumps."""

import contextlib
import subprocess
from collections.abc import Mapping
from pathlib import Path

_DISK_MB = 96
_LIBFAKETIME = "libfaketimeMT.so.1"


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
    """The wall clock of the workers, where libfaketime is installed; the monotonic one goes on as it does."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "clock"
        self._library = _find_library()
        self.set(0)

    @property
    def can_jump(self) -> bool:
        return self._library is not None

    @property
    def environment(self) -> Mapping[str, str]:
        """For a worker whose clock can be set while it runs."""
        if self._library is None:
            return {}
        return {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, ahead_s: float) -> None:
        """How far the clock is ahead of the truth; all at once."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{ahead_s:+.3f}s\n")
        new.replace(self._file)


def _find_library() -> Path | None:
    return next(iter(sorted(Path("/usr/lib").glob(f"*/faketime/{_LIBFAKETIME}"))), None)

"""Open loggers: what is queued must be sent at exit, though the app has let go of its logger."""

import atexit
import os
from typing import Protocol


class _Logger(Protocol):
    def close(self) -> None: ...

    def after_fork(self) -> None: ...


open_loggers: set[_Logger] = set()


def _close_all() -> None:
    for logger in list(open_loggers):
        logger.close()


def _after_fork() -> None:
    for logger in list(open_loggers):
        logger.after_fork()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_after_fork)

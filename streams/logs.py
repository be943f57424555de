"""Logs: structlog for our own events, and the libraries' records in the same form, on standard error."""

import logging
import sys
from typing import Any

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from streamgauge.schemas.telling import redacted

#: aiokafka tells of every attempt while a broker is away, several a second; the watchdog says what matters.
_LIBRARIES = {
    "faust": logging.WARNING,
    "mode": logging.WARNING,
    "aiokafka": logging.CRITICAL,
    "streamgauge.streams": logging.WARNING,  # Faust logs under the module of whoever extends it
}


def configure_logs(level: str, form: str) -> None:
    """Send every log line to standard error; `form` is ``json`` or ``text``."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Local variables hold what users sent, whole snapshots of it: a traceback says where, not what.
    renderer: list[Any] = (
        [
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(),
        ]
        if form == "json"
        else [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *renderer,
            lambda _, __, line: redacted(str(line)),  # tracebacks and libraries' words too
        ],
    )
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.root.handlers = [handler]
    logging.root.setLevel(logging.WARNING)
    logging.getLogger("streamgauge").setLevel(level.upper())
    for name, quietest in _LIBRARIES.items():
        logging.getLogger(name).setLevel(quietest)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )

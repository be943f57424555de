"""`streamgauge worker`: one worker process, until it is stopped."""

import argparse
import sys

from streamgauge.schemas.errors import ConfigurationError
from streamgauge.streams.settings import WorkerSettings, load_settings

_EXAMPLES = """\
example:
  streamgauge worker --bootstrap-servers localhost:9092
  STREAMGAUGE_LOG_FORMAT=text streamgauge worker --health-port 9465

Start as many as you like: they share the partitions. SIGTERM and Ctrl-C stop one gracefully, with a final
commit. Exit codes: 0 stopped, 1 failed, 2 something is configured wrongly, 3 fenced: another worker has taken
over, or a broker has ended a transaction. After 1 and 3 a supervisor should start it again. /healthz, /readyz
and /metrics are on the health port.
"""

#: flag -> setting; all other settings are STREAMGAUGE_* variables only
_FLAGS = {
    "bootstrap_servers": "Kafka's addresses, host:port[,host:port…]",
    "topic_prefix": "what all topic names begin with",
    "clock": "wall, or events: event times alone drive time",
    "health_host": "address of /healthz, /readyz and /metrics",
    "health_port": "their port; 0 takes a free one",
    "log_level": "debug, info, warning or error",
    "log_format": "json or text",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags override `STREAMGAUGE_*` variables, which override `.env`."""
    parser.epilog = _EXAMPLES
    for name, meaning in _FLAGS.items():
        default = WorkerSettings.model_fields[name].default
        parser.add_argument(
            f"--{name.replace('_', '-')}", help=f"{meaning} (default {default})", metavar="VALUE"
        )


def run(args: argparse.Namespace) -> int:
    """The worker's exit code."""
    given = {name: getattr(args, name) for name in _FLAGS if getattr(args, name) is not None}
    from streamgauge.streams.worker import WRONG_USE, run_worker

    try:
        return run_worker(load_settings(given))
    except ConfigurationError as error:
        print(f"streamgauge: {error}", file=sys.stderr)
        return WRONG_USE

"""`streamgauge notifier`: tell systems and people of alerts, hand retrain requests to training systems."""

import argparse
import os
import sys
import time

from streamgauge.cli.arguments import new_verb
from streamgauge.cli.watching import counted
from streamgauge.notify.config_file import Checked, load
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.streams.settings import load_settings

_WRONG_USE = 2
_EXAMPLES = """\
example:
  streamgauge notifier --config notifier.yaml --check
  streamgauge notifier test --to team-chat --config notifier.yaml
  streamgauge notifier --config notifier.yaml

It runs until SIGTERM or Ctrl-C. Exit codes: 0 stopped, or nothing is wrong with the file; 1 failed, or
something is; 2 wrong use. After 1 a supervisor should start it again. /healthz, /readyz and /metrics are on
the health port.
"""
_TEST = """\
example:
  streamgauge notifier test --to team-chat --config notifier.yaml

Needs no Kafka. Exit codes: 0 the target took it, 1 it did not, 2 wrong use.
"""
#: flag -> what it is; each is a setting of the worker too
_FLAGS = {
    "bootstrap_servers": "Kafka's addresses, host:port[,host:port…]",
    "topic_prefix": "what all topic names begin with",
    "health_host": "address of /healthz, /readyz and /metrics (default 127.0.0.1)",
    "health_port": "their port (default 9464); 0 takes a free one",
    "log_level": "debug, info, warning or error",
    "log_format": "json or text",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags override `STREAMGAUGE_*` variables, which override `.env`."""
    parser.epilog = _EXAMPLES
    parser.add_argument("--config", metavar="FILE", default="notifier.yaml", help="(default notifier.yaml)")
    parser.add_argument("--check", action="store_true", help="say what is wrong with the file, and end")
    for name, meaning in _FLAGS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", help=meaning, metavar="VALUE")
    parser.set_defaults(run_verb=_run)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    test = new_verb(verbs, "test", "send a test notification to one target", _TEST)
    test.add_argument("--to", metavar="NAME", required=True, help="the target's name in the file")
    test.add_argument("--config", metavar="FILE", default=argparse.SUPPRESS, help="(default notifier.yaml)")
    test.set_defaults(run_verb=_test)


def run(args: argparse.Namespace) -> int:
    """The exit code."""
    code: int = args.run_verb(args)
    return code


def _run(args: argparse.Namespace) -> int:
    found = load(args.config, os.environ)
    if found.config is None:
        return _tell_problems(found)
    from streamgauge.notify.service import run_notifier, senders_of

    if args.check:
        senders_of(found.config, found.targets)
        routes = len(found.config.routes) + len(found.config.retrain)
        what = f"{counted(len(found.targets), 'target')} and {counted(routes, 'route')}"
        print(f"{args.config}: {what}, all valid")
        return 0
    given = {name: getattr(args, name) for name in _FLAGS if getattr(args, name) is not None}
    try:
        return run_notifier(found.config, found.targets, load_settings(given))
    except ConfigurationError as error:
        print(f"streamgauge: {error}", file=sys.stderr)
        return _WRONG_USE


def _test(args: argparse.Namespace) -> int:
    found = load(args.config, os.environ)
    if found.config is None:
        return _tell_problems(found)
    target = found.targets.get(args.to)
    if target is None:
        known = ", ".join(sorted(found.targets))
        print(f"streamgauge: no target is called {args.to!r}; there are {known}", file=sys.stderr)
        return _WRONG_USE
    from streamgauge.notify.core.outcomes import Result
    from streamgauge.notify.service import hooks_of, senders_of
    from streamgauge.notify.trial import trial, trial_request

    now_us = time.time_ns() // 1_000
    sender = senders_of(found.config, {args.to: target}).get(args.to)
    if sender is not None:
        outcome = trial(sender, now_us)
    else:
        outcome = trial_request(hooks_of(found.config, {args.to: target})[args.to], now_us)
    delivered = outcome.result is Result.DELIVERED
    said = ": ".join(filter(None, [f"{args.to}: {outcome.result.value}", outcome.reason]))
    print(said, file=sys.stdout if delivered else sys.stderr)
    return 0 if delivered else 1


def _tell_problems(found: Checked) -> int:
    for problem in found.problems:
        print(problem, file=sys.stderr)
    return 1

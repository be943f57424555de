"""`streamgauge`, the root of the command line: a table of commands, each loaded only when it is chosen."""

import argparse
import contextlib
import importlib
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from streamgauge.schemas.errors import StreamgaugeError
from streamgauge.schemas.telling import redacted

#: Exit codes of every command. 130 is what shells expect of Ctrl-C, 141 of a reader that went away.
DONE, FAILED, WRONG_USE, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141


@dataclass(frozen=True, slots=True)
class Command:
    """One command: `module` has ``configure(parser)`` and ``run(args) -> int``; `extra` is what it needs."""

    name: str
    help: str
    module: str
    extra: str | None = None


COMMANDS = (
    Command("demo", "watch live models and their faults, on an embedded broker", "demo", "demo"),
    Command("worker", "run a worker: events in; metrics, alerts, retrain requests out", "worker", "worker"),
    Command("replay", "run a history, from files or Kafka, through the worker's core", "replay", "worker"),
    Command("send", "send predictions or ground truth from JSONL files", "send"),
    Command("topics", "create the topics, show what is there", "topics", "worker"),
    Command("monitors", "check and send monitor definitions, show where models stand", "monitors", "worker"),
    Command("baseline", "build, inspect, compare, merge and adopt baseline profiles", "baseline", "worker"),
    Command("metrics", "follow the metrics of your models", "metrics"),
    Command("alerts", "follow alerts, list what is open, acknowledge, resolve, silence", "alerts", "worker"),
    Command("budget", "show what each monitor has of the alarm budget, and will see", "budget", "worker"),
    Command("compare", "show how versions that share the traffic compare", "compare", "worker"),
    Command("retrain", "follow and list retrain requests", "retrain"),
    Command("notifier", "deliver alerts to Alertmanager, PagerDuty, chat, mail", "notifier", "notifier"),
    Command("dead-letters", "list, show and retry what the workers refused", "dead_letters"),
    Command("doctor", "check cluster, topics, permissions and workers; size a model", "doctor", "worker"),
)

_EXAMPLES = """\
examples:
  streamgauge demo --seconds 90             see it all on one machine; needs nothing else
  streamgauge topics create                 prepare a Kafka cluster
  streamgauge worker                        monitor whatever models send
  streamgauge alerts watch --json           follow alerts, one JSON object a line

Settings come from flags, STREAMGAUGE_* variables or a .env file, for example
STREAMGAUGE_BOOTSTRAP_SERVERS=localhost:9092. `streamgauge COMMAND --help` says more.
"""


#: Of argparse's messages: the word that is wrong, and what it could be.
_WRONG_WORD = re.compile(r"invalid choice: '(.+)' \(choose from (.*)\)|unrecognized arguments: (--[\w-]+)")


class _Parser(argparse.ArgumentParser):
    """Says where help is when the use is wrong; exits with 2."""

    def error(self, message: str) -> NoReturn:
        meant = _meant(message, self)
        self.exit(WRONG_USE, f"{self.prog}: {redacted(message)}{meant}\nTry: {self.prog} --help\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """What a command does not know is told by it, and not by the root, which has other arguments."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown


def _meant(message: str, parser: argparse.ArgumentParser) -> str:
    """A question, if what is wrong looks like something that is right."""
    from difflib import get_close_matches

    found = _WRONG_WORD.search(message)
    if found is None:
        return ""
    words = re.findall(r"[\w-]+", found[2] or "") or list(parser._option_string_actions)
    close = get_close_matches(found[1] or found[3], words, n=1)
    return f"; did you mean {close[0]}?" if close else ""


class _Version(argparse.Action):
    """Reads the installed version only when it is asked for: that read costs more than all else here."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import version

        print(f"streamgauge {version('streamgauge')}")
        parser.exit(DONE)


def build_parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """The parser of the root, with the arguments of the `chosen` command only: the others stay unloaded.

    >>> build_parser().parse_args(["worker"]).command
    'worker'
    """
    parser = _Parser(
        prog="streamgauge",
        description="Latency, accuracy, drift and fairness of live models over Kafka, with few false alarms.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for command in COMMANDS:
        subparser = subparsers.add_parser(
            command.name,
            help=command.help,
            description=command.help[0].upper() + command.help[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if command.name == chosen:
            module = importlib.import_module(f"streamgauge.cli.{command.module}")
            module.configure(subparser)
            subparser.epilog = subparser.epilog or _examples_of(subparser)
            subparser.set_defaults(run=module.run)
    return parser


def _examples_of(parser: argparse.ArgumentParser) -> str | None:
    """An example of each verb, the first that its own help has; None where there are no verbs."""
    nouns = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    epilogs = [verb.epilog or "" for noun in nouns for verb in noun.choices.values()]
    examples = [re.findall(r"(?m)^  .+$", epilog)[:1] for epilog in epilogs]
    lines = [line for found in examples for line in found]
    return "\n".join(["examples:", *lines, "", f"`{parser.prog} VERB --help` says more."]) if lines else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code. Wrong use raises ``SystemExit(2)``, as argparse does."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    command = next((c for c in COMMANDS if words and c.name == words[0]), None)
    # commands say in their own words what is wrong with Kafka
    logging.getLogger("streamgauge.clients.librdkafka").addHandler(logging.NullHandler())
    logging.getLogger("streamgauge.clients.librdkafka").propagate = False
    try:
        _load_dotenv()
        parser = build_parser(command.name if command else None)
        args = parser.parse_args(words)
        if command is None:
            parser.print_help(sys.stderr)
            return WRONG_USE
        run: Callable[[argparse.Namespace], int] = args.run
        code = run(args)
        sys.stdout.flush()
        return code
    except ModuleNotFoundError as error:
        if command is None or command.extra is None or _is_ours(error.name):
            raise
        hint = f"pip install 'streamgauge[{command.extra}]'"
        return _say(
            f"`{command.name}` needs the package {error.name}, which is not installed: {hint}", WRONG_USE
        )
    except StreamgaugeError as error:
        return _say(str(error), FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # `| head` went away; without this, Python complains once more when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED


def _say(message: str, code: int) -> int:
    print(f"streamgauge: {message}", file=sys.stderr)
    return code


def _is_ours(module: str | None) -> bool:
    return module is None or module.split(".")[0] == "streamgauge"


def _load_dotenv() -> None:
    """Variables of a `.env` file in this folder, if python-dotenv is there; those already set win."""
    if os.path.exists(".env"):
        with contextlib.suppress(ModuleNotFoundError):
            from dotenv import load_dotenv

            load_dotenv(".env")

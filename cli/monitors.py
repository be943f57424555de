"""`streamgauge monitors`: check monitor definitions, and send them to the workers."""

import argparse
import getpass
import json
import sys
from dataclasses import asdict
from pathlib import Path

from streamgauge.cli.watching import add_connection, connection_of
from streamgauge.clients.control import Control
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.streams.definitions import Checked, check, documents

_FILES = """
A file is a stream of YAML documents: one with `model` defines that model's monitors,
the one without is the fleet document."""
_VALIDATE = f"""\
example:
  streamgauge monitors validate monitors.yaml
{_FILES} Exit codes: 0 all valid, 1 not, 2 wrong use.
"""
_APPLY = f"""\
example:
  streamgauge monitors apply monitors.yaml --actor anna
{_FILES} If anything in the files is wrong, nothing is sent. What was sent
holds from then on, for workers that start later too. Exit codes: 0 sent, 1 not, 2 wrong use.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The verbs of `monitors`."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, help, epilog, verb in (
        ("validate", "say what is wrong in a file of definitions, line by line", _VALIDATE, _validate),
        ("apply", "send a file of definitions to the workers", _APPLY, _apply),
    ):
        added = verbs.add_parser(
            name,
            help=help,
            description=help[0].upper() + help[1:] + ".",
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.add_argument(
            "files", nargs="+", metavar="FILE", help="YAML definitions; - reads standard input"
        )
        added.set_defaults(run_verb=verb)
        if verb is _validate:
            added.add_argument("--json", action="store_true", help="one JSON object a line")
        else:
            added.add_argument("--actor", metavar="NAME", help="who says so (default: your login name)")
            add_connection(added)


def run(args: argparse.Namespace) -> int:
    """Run the chosen verb."""
    code: int = args.run_verb(args)
    return code


def _validate(args: argparse.Namespace) -> int:
    """0 when every file is valid, 1 otherwise."""
    valid = True
    for name in args.files:
        checked = check(name, _read(name))
        valid &= not checked.problems
        if args.json:
            _print_json(name, checked)
            continue
        for problem in checked.problems:
            print(problem, file=sys.stderr)
        if not checked.problems:
            print(f"{name}: valid; {_contents(checked)}")
    return 0 if valid else 1


def _apply(args: argparse.Namespace) -> int:
    """0 when Kafka has stored all documents of all files, 1 when there is a problem in one of them."""
    texts = {name: _read(name) for name in args.files}
    checked = {name: check(name, text) for name, text in texts.items()}
    problems = [problem for each in checked.values() for problem in each.problems]
    if problems:
        raise ConfigurationError("\n".join(["nothing was sent", *map(str, problems)]))
    control = Control(connection_of(args), args.actor or getpass.getuser())
    try:
        for name, text in texts.items():
            for document in documents(text):
                control.define(document)
            print(f"{name}: sent; {_contents(checked[name])}")
    finally:
        control.close()
    return 0


def _read(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot read {name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"cannot read {name}: it is not a text in UTF-8") from error


def _contents(checked: Checked) -> str:
    count = len(checked.definitions)
    models = f"{count} model{'' if count == 1 else 's'}"
    return models + (" and the fleet document" if checked.fleet else "")


def _print_json(name: str, checked: Checked) -> None:
    print(
        json.dumps(
            {
                "file": name,
                "valid": not checked.problems,
                "models": {d.model: d.definition_id for d in checked.definitions},
                "problems": [asdict(p) for p in checked.problems],
            }
        )
    )

"""`streamgauge monitors`: check monitor definitions before they reach a worker."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from streamgauge.schemas.errors import ConfigurationError
from streamgauge.streams.definitions import Checked, check

_EXAMPLES = """\
example:
  streamgauge monitors validate monitors.yaml

A file is a stream of YAML documents: one with `model` defines that model's monitors,
the one without is the fleet document. Exit codes: 0 all valid, 1 not, 2 wrong use.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The verbs of `monitors`."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    validate = verbs.add_parser(
        "validate",
        help="say what is wrong in a file of definitions, line by line",
        description="Say what is wrong in a file of definitions, line by line; nothing is sent.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    validate.add_argument("files", nargs="+", metavar="FILE", help="YAML definitions; - reads standard input")
    validate.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
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

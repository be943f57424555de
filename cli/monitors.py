"""`streamgauge monitors`: check definitions, send them to the workers, show where each model stands."""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

from streamgauge.cli.arguments import new_verb
from streamgauge.cli.definition_files import contents, read_text
from streamgauge.cli.watching import add_connection
from streamgauge.streams.definition_schema import definition_schema
from streamgauge.streams.definitions import Checked, check

if TYPE_CHECKING:
    from streamgauge.detectors.custom import Allowed

_FILES = """
A file is a stream of YAML documents: one with `model` defines that model's monitors,
the one without is the fleet document."""
_VALIDATE = f"""\
example:
  streamgauge monitors validate monitors.yaml
{_FILES} Exit codes: 0 all valid, 1 not, 2 wrong use.
"""
_SCHEMA = """\
example:
  streamgauge monitors schema > monitors.schema.json

Editors with the YAML language server complete and check a file that begins with
  # yaml-language-server: $schema=monitors.schema.json
Exit codes: 0 done, 2 wrong use.
"""
_APPLY = f"""\
example:
  streamgauge monitors apply monitors.yaml --dry-run
  streamgauge monitors apply monitors.yaml --yes --actor anna
{_FILES} What would change of what the workers hold is shown first, and what changes nothing is not sent.
If anything in the files is wrong, nothing is sent. What was sent holds from then on, for workers that start
later too. Exit codes: 0 sent, or nothing to send; 1 not; 2 wrong use.
"""
_LIST = """\
example:
  streamgauge monitors list --model credit

It reads what the workers have committed last, so it is as exact as they are, and works while none runs.
Exit codes: 0 done, 1 failed, 2 wrong use.
"""
_RETIRE = """\
example:
  streamgauge monitors retire credit --note "replaced by credit-eu"

Its open alerts end as superseded, and its state is deleted. Should it come back, alerts and requests go on
counting from where they were. Exit codes: 0 sent, 1 not, 2 wrong use.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The verbs of `monitors`."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    def add(
        name: str, help: str, epilog: str, run: Callable[[argparse.Namespace], int]
    ) -> argparse.ArgumentParser:
        verb = new_verb(verbs, name, help, epilog)
        verb.set_defaults(run_verb=run)
        return verb

    validate = add(
        "validate", "say what is wrong in a file of definitions, line by line", _VALIDATE, _validate
    )
    _add_files(validate)
    _add_json(validate)
    add("schema", "print the JSON Schema of definitions, for editors", _SCHEMA, _schema)
    apply = add(
        "apply", "show what a file of definitions changes, and send it to the workers", _APPLY, _apply
    )
    _add_files(apply)
    apply.add_argument("--dry-run", action="store_true", help="show what would change, and send nothing")
    _add_sending(apply)
    listing = add("list", "show where each model stands, and why its monitors are quiet", _LIST, _list)
    listing.add_argument("--model", help="only this model")
    listing.add_argument("--all", action="store_true", help="also versions that are superseded")
    _add_json(listing)
    add_connection(listing)
    retire = add("retire", "watch a model no longer, and delete its state", _RETIRE, _retire)
    retire.add_argument("model", metavar="MODEL", help="its name")
    retire.add_argument("--note", help="why")
    _add_sending(retire)


def run(args: argparse.Namespace) -> int:
    """Run the chosen verb."""
    code: int = args.run_verb(args)
    return code


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="YAML definitions; - reads standard input")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def _add_sending(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="send without being asked")
    parser.add_argument("--actor", metavar="NAME", help="who says so (default: your login name)")
    _add_json(parser)
    add_connection(parser)


def _validate(args: argparse.Namespace) -> int:
    """0 when every file is valid, 1 otherwise."""
    valid = True
    for name in args.files:
        checked = check(name, read_text(name), _allowed_metrics)
        valid &= not checked.problems
        if args.json:
            _print_json(name, checked)
            continue
        for problem in checked.problems:
            print(problem, file=sys.stderr)
        if not checked.problems:
            print(f"{name}: valid; {contents(checked)}")
    return 0 if valid else 1


def _schema(args: argparse.Namespace) -> int:
    print(json.dumps(definition_schema(), indent=2))
    return 0


def _allowed_metrics() -> "Allowed":
    """What workers with the settings of this place would allow."""
    from streamgauge.streams.custom_metrics import allowed_metrics
    from streamgauge.streams.settings import load_settings

    return allowed_metrics(load_settings({}).custom_metrics)


# What follows needs Kafka's client and the core; what is above does not wait for them.


def _apply(args: argparse.Namespace) -> int:
    from streamgauge.cli.monitors_sending import apply

    return apply(args)


def _list(args: argparse.Namespace) -> int:
    from streamgauge.cli.monitors_listing import list_all

    return list_all(args)


def _retire(args: argparse.Namespace) -> int:
    from streamgauge.cli.monitors_sending import retire

    return retire(args)


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

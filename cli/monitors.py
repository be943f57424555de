"""`streamgauge monitors`: check monitor definitions before they reach a worker."""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.monitor import Fleet, MonitorDefinition

_EXAMPLES = """\
example:
  streamgauge monitors validate monitors.yaml

A file is a stream of YAML documents: one with `model` defines that model's monitors,
the one without is the fleet document. Exit codes: 0 all valid, 1 not, 2 wrong use.
"""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a file; `line` counts from 1, `field` is a path like ``labels.ttl``."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        return f"{self.file}:{self.line}: {where}{self.message}"


@dataclass(frozen=True, slots=True)
class Checked:
    """What a file defines, and what is wrong with it."""

    definitions: tuple[MonitorDefinition, ...]
    fleet: Fleet | None
    problems: tuple[Problem, ...]


def configure(parser: argparse.ArgumentParser) -> None:
    """The verbs of `monitors`."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    validate = verbs.add_parser(
        "validate",
        help="say what is wrong in a file of definitions, line by line",
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


def check(name: str, text: str) -> Checked:
    """Read a stream of definitions; `name` is how problems call the file.

    >>> check("m.yaml", "model: credit\\nwindw: 5m\\n").problems[0].message
    "unknown field; did you mean 'window'?"
    """
    definitions: list[MonitorDefinition] = []
    fleet: Fleet | None = None
    problems: list[Problem] = []
    first_lines: dict[str, int] = {}
    try:
        for node in yaml.compose_all(text, Loader=yaml.CSafeLoader):
            line, document = _line(node), _construct(node)
            problems += _repeated(name, node)
            if not isinstance(document, dict):
                problems.append(Problem(name, line, "", "a document must be a mapping of fields"))
                continue
            kind: type[BaseModel] = MonitorDefinition if "model" in document else Fleet
            try:
                value = kind.model_validate(document)
            except ValidationError as error:
                problems += _explain(name, node, kind, error)
                continue
            called = value.model if isinstance(value, MonitorDefinition) else "the fleet document"
            if called in first_lines:
                first = first_lines[called]
                problems.append(Problem(name, line, "", f"{called} is defined before, on line {first}"))
                continue
            first_lines[called] = line
            if isinstance(value, MonitorDefinition):
                definitions.append(value)
            elif isinstance(value, Fleet):
                fleet = value
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        problems.append(Problem(name, mark.line + 1 if mark else 1, "", f"not YAML: {error.problem}"))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problems.append(Problem(name, line, "", f"not YAML: {error.reason}"))
    if not (definitions or fleet or problems):
        problems.append(Problem(name, 1, "", "nothing is defined here"))
    return Checked(tuple(definitions), fleet, tuple(sorted(problems, key=lambda p: p.line)))


def _construct(node: yaml.Node) -> object:
    loader = yaml.SafeLoader("")
    value: object = loader.construct_document(node)
    return value


def _repeated(name: str, node: yaml.Node, path: str = "") -> Iterator[Problem]:
    """Keys given twice in one mapping: YAML forbids them, PyYAML keeps the last and says nothing."""
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        field = f"{path}{key.value}"
        if field in seen:
            yield Problem(name, _line(key), field, "given twice")
        seen.add(field)
        yield from _repeated(name, value, f"{field}.")


def _explain(name: str, root: yaml.Node, kind: type[BaseModel], error: ValidationError) -> Iterator[Problem]:
    for detail in error.errors(include_url=False):
        path = detail["loc"]
        yield Problem(name, _line(root, path), ".".join(map(str, path)), _message(kind, dict(detail)))


def _message(kind: type[BaseModel], detail: dict[str, Any]) -> str:
    path, given = detail["loc"], detail["input"]
    if detail["type"] == "extra_forbidden":
        known = _fields(kind, path[:-1])
        close = get_close_matches(str(path[-1]), known, n=1)
        return "unknown field; " + (
            f"did you mean {close[0]!r}?" if close else "it can be " + ", ".join(known)
        )
    if detail["type"] == "missing":
        return "required, and not given"
    message = str(detail["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return (
        message if repr(given) in message or isinstance(given, dict | list) else f"{message}, not {given!r}"
    )


def _fields(kind: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """Names of the fields of the part of a document that `path` leads to."""
    for step in path:
        field = kind.model_fields.get(str(step))
        if field is None:  # a key of a mapping, such as a monitor's name: its kind is already here
            continue
        candidates = [field.annotation, *getattr(field.annotation, "__args__", ())]
        kind = next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    return sorted(kind.model_fields)


def _line(node: yaml.Node, path: tuple[int | str, ...] = ()) -> int:
    """The line of the field at `path`, or of the nearest part of it that is there."""
    mark = node.start_mark
    for step in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(step)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            found = (node.value[step], node.value[step])
        else:
            found = None
        if found is None:
            break
        mark, node = found[0].start_mark, found[1]
    return int(mark.line) + 1


def _read(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {name}: {error}") from error


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

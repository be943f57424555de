"""YAML that people write, checked against its model: what is wrong is told with file, line and field."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from streamgauge.schemas.telling import redacted
from streamgauge.streams.safe_yaml import construct, nodes

#: Problems of one document that are told; who wrote more has another mistake than these.
_MOST_PROBLEMS = 100
_SECRET = object()


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a file; `line` counts from 1, `field` is a path like ``labels.ttl``."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        return redacted(f"{self.file}:{self.line}: {where}{self.message}")


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a stream: its value, and where that is written."""

    file: str
    node: yaml.Node
    value: object

    def line(self, path: tuple[int | str, ...] = ()) -> int:
        """The line of the field at `path`, or of the nearest part of it that is there."""
        return _line(self.node, path)

    def problem(self, path: tuple[int | str, ...], message: str) -> Problem:
        """Something wrong at `path`."""
        return Problem(self.file, self.line(path), ".".join(map(str, path)), message)

    def explain(
        self,
        kind: type[BaseModel],
        error: ValidationError,
        at: tuple[int | str, ...] = (),
        *,
        secret: bool = False,
    ) -> Iterator[Problem]:
        """What pydantic found wrong with the part at `at`, which should be a `kind`.

        With `secret`, what is there is not repeated.
        """
        for detail in islice(error.errors(include_url=False), _MOST_PROBLEMS):
            within = detail.get("ctx", {}).get("at", ())  # where in a field, of checks that see several
            steps = (*(step for step in detail["loc"] if step != "[key]"), *within)
            told = {**detail, "input": _SECRET} if secret else dict(detail)
            yield self.problem((*at, *steps), _message(kind, told))
        if error.error_count() > _MOST_PROBLEMS:
            more = error.error_count() - _MOST_PROBLEMS
            yield self.problem((), f"{more:,} more problems of this document are not told")


def read(name: str, text: str, problems: list[Problem]) -> Iterator[Document]:
    """The documents of a stream, one by one; what is wrong with the YAML itself is added to `problems`."""
    try:
        for node in nodes(text):
            problems += _repeated(name, node)  # before it is built, which puts in what `<<` merges
            yield Document(name, node, construct(node))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        problems.append(Problem(name, mark.line + 1 if mark else 1, "", f"not YAML: {error.problem}"))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problems.append(Problem(name, line, "", f"not YAML: {error.reason}"))


def _repeated(name: str, node: yaml.Node, path: str = "") -> Iterator[Problem]:
    """Keys given twice in one mapping: YAML forbids them, PyYAML keeps the last and says nothing."""
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue  # not a field's name: whoever builds the document refuses it
        field = f"{path}{key.value}"
        if field in seen:
            yield Problem(name, _line(key), field, "given twice")
        seen.add(field)
        yield from _repeated(name, value, f"{field}.")


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
    if detail["type"] in ("dict_type", "model_type"):
        part = _part(kind, path)
        fields = "" if part is None else f" with fields of {', '.join(sorted(part.model_fields))}"
        return f"takes a mapping{fields}, not {_given(given)}; {{}} stands for the defaults"
    if detail["type"] in _TAKES:
        return f"takes {_TAKES[detail['type']]}, not {_given(given)}"
    message = _short(str(detail["msg"]).removeprefix("Value error, ").removeprefix("Input "))
    if given is _SECRET or isinstance(given, dict | list) or repr(given) in message:
        return message
    return f"{message}, not {_given(given)}"


_TAKES = {
    "tuple_type": "a list, like [a, b]",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": 'a string; numbers and booleans are strings in quotes, like "1"',
}


def _given(value: object) -> str:
    if value is None or value is _SECRET:
        return "nothing" if value is None else "what is there"
    return (
        "a list"
        if isinstance(value, list)
        else "a mapping"
        if isinstance(value, dict)
        else _short(repr(value))
    )


def _short(text: str) -> str:
    return text if len(text) <= 2_000 else f"{text[:1_000]}… ({len(text):,} characters)"


def _fields(kind: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """Names of the fields of the part of a document that `path` leads to."""
    part = _part(kind, path)
    return sorted(field.alias or name for name, field in (part or kind).model_fields.items())


def _part(kind: type[BaseModel], path: tuple[int | str, ...]) -> type[BaseModel] | None:
    """What the part of a document at `path` must be; None if that is a mapping with the user's own keys."""
    found: type[BaseModel] | None = kind
    for step in path:
        field = kind.model_fields.get(str(step))
        if field is None:  # a key of a mapping, such as a monitor's name: its kind is already here
            found = kind
            continue
        parts = getattr(field.annotation, "__args__", ())
        models = [c for c in (field.annotation, *parts) if isinstance(c, type) and issubclass(c, BaseModel)]
        if not models:
            return None
        kind = models[0]
        found = kind if field.annotation is kind or type(None) in parts else None
    return found


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

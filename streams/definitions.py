"""Monitor definitions as people write them: a stream of YAML documents, checked line by line."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from streamgauge.schemas.monitor import Fleet, MonitorDefinition
from streamgauge.streams.documents import Document, Problem, read

if TYPE_CHECKING:  # River takes its time to import, and few definitions need it
    from streamgauge.detectors.custom import Allowed


@dataclass(frozen=True, slots=True)
class Checked:
    """What a file defines, and what is wrong with it."""

    definitions: tuple[MonitorDefinition, ...]
    fleet: Fleet | None
    problems: tuple[Problem, ...]


def check(name: str, text: str, allowed: "Callable[[], Allowed] | None" = None) -> Checked:
    """Read a stream of definitions; `name` is how problems call the file.

    `allowed`, if given, is asked for the metric classes that may be named, once a definition names one.

    >>> check("m.yaml", "model: credit\\nwindw: 5m\\n").problems[0].message
    "unknown field; did you mean 'window'?"
    """
    definitions: list[MonitorDefinition] = []
    fleet: Fleet | None = None
    problems: list[Problem] = []
    first_lines: dict[str, int] = {}
    for document in read(name, text, problems):
        if not isinstance(document.value, dict):
            problems.append(document.problem((), "a document must be a mapping of fields"))
            continue
        kind: type[BaseModel] = MonitorDefinition if "model" in document.value else Fleet
        try:
            value = kind.model_validate(document.value)
        except ValidationError as error:
            problems += document.explain(kind, error)
            continue
        called = value.model if isinstance(value, MonitorDefinition) else "the fleet document"
        if called in first_lines:
            problems.append(
                document.problem((), f"{called} is defined before, on line {first_lines[called]}")
            )
            continue
        first_lines[called] = document.line()
        if allowed is not None and isinstance(value, MonitorDefinition) and value.metrics:
            problems += _unusable_metrics(document, value, allowed())
        if isinstance(value, MonitorDefinition):
            definitions.append(value)
        elif isinstance(value, Fleet):
            fleet = value
    if not (definitions or fleet or problems):
        problems.append(Problem(name, 1, "", "nothing is defined here"))
    return Checked(tuple(definitions), fleet, tuple(sorted(problems, key=lambda p: p.line)))


def _unusable_metrics(
    document: Document, definition: MonitorDefinition, allowed: "Allowed"
) -> Iterator[Problem]:
    from streamgauge.detectors.custom import custom_metric

    for metric in definition.metrics:
        try:
            custom_metric(definition, metric, allowed)
        except ValueError as error:
            yield document.problem(("metrics", metric), str(error).removeprefix(f"{metric}: "))

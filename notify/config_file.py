"""The notifier's YAML file, checked line by line; for ``${NAME}`` comes what the environment has."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from streamgauge.notify.config import KINDS, NotifierConfig, Target
from streamgauge.notify.config_hooks import HOOKS
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.streams.documents import Document, Problem, read

ALL_KINDS = KINDS | HOOKS
_VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Checked:
    """A configuration, or what is wrong with it."""

    config: NotifierConfig | None
    targets: Mapping[str, Target]
    problems: tuple[Problem, ...]


def load(path: str, environ: Mapping[str, str]) -> Checked:
    """Read a file. Raises `ConfigurationError` if that cannot be done."""
    try:
        return check(path, Path(path).read_text(encoding="utf-8"), environ)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}; name the file of targets and routes with --config"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} cannot be read: it is not a text in UTF-8") from error


def check(name: str, text: str, environ: Mapping[str, str]) -> Checked:
    """Everything that is wrong with a configuration; `name` is how problems call the file.

    >>> checked = check("n.yaml", "targets: {a: {kind: slak}}\\nroutes: [{to: b}]", {})
    >>> [(problem.line, problem.field) for problem in checked.problems]
    [(1, 'targets.a.kind'), (1, 'targets.a'), (2, 'routes.0.to')]
    >>> print(checked.problems[-1])
    n.yaml:2: routes.0.to: no target is called 'b'; there are a
    """
    problems: list[Problem] = []
    documents = list(read(name, text, problems))
    if len(documents) != 1:
        problems = problems or [Problem(name, 1, "", f"takes one document, not {len(documents)}")]
        return Checked(None, {}, tuple(problems))
    (document,) = documents
    targets: dict[str, Target] = {}
    for called, given in _given_targets(document.value):
        at = ("targets", called)
        given, missing = _expanded(given, environ)
        problems += (document.problem((*at, *path), message) for path, message in missing)
        kind = ALL_KINDS.get(given.get("kind", "")) if isinstance(given, dict) else None
        if kind is None:
            said = f", not {given['kind']!r}" if isinstance(given, dict) and "kind" in given else ""
            names = list(ALL_KINDS)
            problems.append(
                document.problem((*at, "kind"), f"takes {', '.join(names[:-1])} or {names[-1]}{said}")
            )
            continue
        target = None if missing else _validated(document, kind, given, problems, at)
        if isinstance(target, Target):
            targets[called] = target
    config = _validated(document, NotifierConfig, document.value, problems)
    if isinstance(config, NotifierConfig):
        problems += _wrong_routes(document, config, targets)
        if not problems:
            return Checked(config, targets, ())
    return Checked(None, {}, tuple(sorted(problems, key=lambda problem: problem.line)))


def _validated(
    document: Document,
    kind: type[BaseModel],
    value: object,
    problems: list[Problem],
    at: tuple[int | str, ...] = (),
) -> BaseModel | None:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        problems += document.explain(kind, error, at, secret=bool(at))  # targets hold keys and passwords
        return None


def _given_targets(value: object) -> list[tuple[str, Any]]:
    targets = value.get("targets") if isinstance(value, dict) else None
    return [(str(name), given) for name, given in targets.items()] if isinstance(targets, dict) else []


def _wrong_routes(
    document: Document, config: NotifierConfig, targets: Mapping[str, Target]
) -> Iterator[Problem]:
    led_to = [("routes", number, name) for number, each in enumerate(config.routes) for name in each.to]
    led_to += [("retrain", number, each.to) for number, each in enumerate(config.retrain)]
    for field, number, name in led_to:
        what = "alerts" if field == "routes" else "requests"
        target = targets.get(name)
        if name not in config.targets:
            known = ", ".join(sorted(config.targets))
            yield document.problem((field, number, "to"), f"no target is called {name!r}; there are {known}")
        elif target is not None and what not in target.takes:
            told = f"{name} takes no {'alerts' if what == 'alerts' else 'retrain requests'}"
            yield document.problem((field, number, "to"), told)
    for name in config.targets:
        if all(name != reached for _, _, reached in led_to):
            yield document.problem(("targets", name), "no route leads to it")


def _expanded(
    value: Any, environ: Mapping[str, str], path: tuple[int | str, ...] = ()
) -> tuple[Any, list[Any]]:
    """The value with every ``${NAME}`` replaced, and where one is not set."""
    if isinstance(value, dict):
        parts = {key: _expanded(each, environ, (*path, str(key))) for key, each in value.items()}
        return {key: each for key, (each, _) in parts.items()}, [
            m for _, more in parts.values() for m in more
        ]
    if isinstance(value, list):
        items = [_expanded(each, environ, (*path, number)) for number, each in enumerate(value)]
        return [each for each, _ in items], [m for _, more in items for m in more]
    if not isinstance(value, str):
        return value, []
    missing = [name for name in _VARIABLE.findall(value) if name not in environ]
    if missing:
        return value, [(path, f"the environment variable {missing[0]} is not set")]
    return _VARIABLE.sub(lambda found: environ[found[1]], value), []

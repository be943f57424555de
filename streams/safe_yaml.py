"""YAML of a stranger, by version 1.2: no alias bombs, no recursion, no tags that do anything.

By 1.2 `on` and `NO` are texts. By 1.1, which PyYAML follows, `retrain: {on: …}` has the key true, and the
segment `country: NO` is false.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import yaml

#: Of one document: how deep it nests, and how many nodes it has once every alias stands for what it names.
MAX_DEPTH, MAX_NODES = 32, 100_000
#: Characters of a number: PyYAML takes the square of the time to read a long one.
_MAX_DIGITS = 400
_BOOL, _INT, _FLOAT, _TIMESTAMP = (
    f"tag:yaml.org,2002:{name}" for name in ("bool", "int", "float", "timestamp")
)


class _Loader(yaml.CSafeLoader):
    """Booleans are `true` and `false` only; a date is a text."""

    yaml_implicit_resolvers = {  # noqa: RUF012  (an instance variable, to its base)
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in (_BOOL, _TIMESTAMP)]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


def _number(read: Callable[[_Loader, yaml.ScalarNode], float]) -> Callable[[_Loader, yaml.ScalarNode], float]:
    def construct(loader: _Loader, node: yaml.ScalarNode) -> float:
        if len(node.value) > _MAX_DIGITS:
            raise _refusal(f"a number of {len(node.value):,} characters", node)
        return read(loader, node)

    return construct


_Loader.add_implicit_resolver(_BOOL, re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_constructor(_INT, _number(_Loader.construct_yaml_int))
_Loader.add_constructor(_FLOAT, _number(_Loader.construct_yaml_float))


def nodes(text: str) -> Iterator[yaml.Node]:
    """The documents of a stream, unbuilt.

    Raises `yaml.YAMLError`, also for a document that is too deep, too large or contains itself: its tree
    would take all memory, or all of the stack.
    """
    _check_bounded(text)
    yield from yaml.compose_all(text, Loader=_Loader)


def construct(node: yaml.Node) -> object:
    """What a document says, in plain Python. Raises `yaml.YAMLError`.

    >>> [construct(node) for node in nodes("retrain: {on: [accuracy]}")]
    [{'retrain': {'on': ['accuracy']}}]
    """
    try:
        value: object = _Loader("").construct_document(node)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # how PyYAML says that a tag such as !!timestamp does not fit
        raise _refusal("a tag that does not fit its value", node) from error
    return value


def documents(text: str) -> list[Any]:
    """All documents of a stream. Raises `yaml.YAMLError`.

    >>> documents("model: credit\\nretrain: {on: [accuracy]}")
    [{'model': 'credit', 'retrain': {'on': ['accuracy']}}]
    """
    return [construct(node) for node in nodes(text)]


def _check_bounded(text: str) -> None:
    """Follows the events of the parser, so that nothing is built or recursed into before it is known."""
    sizes: dict[str | None, int] = {}
    opened: list[tuple[str | None, int]] = []
    size = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.DocumentStartEvent):
            sizes, size = {}, 0
        elif isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in opened):
                raise _refusal(f"*{event.anchor} stands within what it names", event)
            size += sizes.get(event.anchor, 0)
        elif isinstance(event, yaml.ScalarEvent):
            size += 1
            if event.anchor is not None:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            opened.append((event.anchor, size))
            size += 1
            if len(opened) > MAX_DEPTH:
                raise _refusal(f"nested more than {MAX_DEPTH} deep", event)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor is not None:
                sizes[anchor] = size - before
        if size > MAX_NODES:
            raise _refusal(f"a document of more than {MAX_NODES:,} values, aliases counted in full", event)


def _refusal(what: str, where: Any) -> yaml.MarkedYAMLError:
    """`where` is an event or a node."""
    return yaml.constructor.ConstructorError(None, None, what, where.start_mark)

"""Files of monitor definitions on the command line: read, checked, counted."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streamgauge.schemas.errors import ConfigurationError
from streamgauge.streams.definitions import Checked, check
from streamgauge.streams.safe_yaml import documents


def read_valid(
    names: Sequence[str], consequence: str = "nothing was sent"
) -> dict[str, tuple[Checked, list[dict[str, Any]]]]:
    """By name, what each file defines and its documents as written.

    Raises `ConfigurationError`, with the `consequence` and every problem of every file, if there is one.
    """
    texts = {name: read_text(name) for name in names}
    checked = {name: check(name, text) for name, text in texts.items()}
    problems = [problem for each in checked.values() for problem in each.problems]
    if problems:
        raise ConfigurationError("\n".join([consequence, *map(str, problems)]))
    return {name: (checked[name], documents(text)) for name, text in texts.items()}


def read_text(name: str) -> str:
    """A file, or standard input if it is called ``-``. Raises `ConfigurationError`."""
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot read {name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"cannot read {name}: it is not a text in UTF-8") from error


def contents(checked: Checked) -> str:
    """What a valid file holds, for people."""
    count = len(checked.definitions)
    models = f"{count} model{'' if count == 1 else 's'}"
    return models + (" and the fleet document" if checked.fleet else "")

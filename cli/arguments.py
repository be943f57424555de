"""What arguments of all commands have in common: how verbs read, and numbers that are held to their range."""

import argparse
import math
import sys
from collections.abc import Callable
from typing import Any

from streamgauge.schemas.durations import parse_duration
from streamgauge.schemas.errors import BadEvent, ConfigurationError
from streamgauge.schemas.times import parse_time


def new_verb(verbs: Any, name: str, help: str, epilog: str) -> argparse.ArgumentParser:
    """A verb of a command, among its `verbs`; `epilog` has its examples and exit codes, line by line."""
    verb: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=help,
        description=help[0].upper() + help[1:] + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return verb


def whole_number(low: int, high: int | None = None) -> Callable[[str], int]:
    """A reader of whole numbers, for `type=` of an argument.

    >>> whole_number(1)("12")
    12
    >>> whole_number(1)("x")
    Traceback (most recent call last):
    argparse.ArgumentTypeError: takes a whole number, at least 1; not 'x'
    """

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = low - 1
        if number < low or (high is not None and number > high):
            raise _refusal("a whole number", low, high, text)
        return number

    return read


def number(low: float, high: float | None = None) -> Callable[[str], float]:
    """A reader of numbers, for `type=` of an argument.

    >>> number(30, 3600)("7")
    Traceback (most recent call last):
    argparse.ArgumentTypeError: takes a number, 30 to 3600; not '7'
    """

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and low <= value <= (math.inf if high is None else high)):
            raise _refusal("a number", low, high, text)
        return value

    return read


def moment(text: str) -> int:
    """A time in RFC 3339, as microseconds since the epoch.

    >>> moment("2026-11-21T10:00:00Z")
    1795255200000000
    """
    try:
        return parse_time(text)
    except BadEvent as error:
        raise argparse.ArgumentTypeError(f"{error.detail}; for example 2026-11-21T10:00:00Z") from error


def duration(text: str) -> int:
    """A length of time, in microseconds.

    >>> duration("1h30m")
    5400000000
    """
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def agree(args: argparse.Namespace, what: str) -> None:
    """Raises `ConfigurationError` unless somebody says yes, or `--yes` did."""
    if args.yes:
        return
    if not sys.stdin.isatty():
        raise ConfigurationError(f"nothing was sent: nobody can be asked here; add --yes to {what}")
    print(f"{what[0].upper()}{what[1:]}? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ConfigurationError("nothing was sent")


def _refusal(kind: str, low: float, high: float | None, text: str) -> argparse.ArgumentTypeError:
    bounds = f"at least {low}" if high is None else f"{low} to {high}"
    return argparse.ArgumentTypeError(f"takes {kind}, {bounds}; not {text!r}")

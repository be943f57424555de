"""What the commands that say something to the workers have in common: who says it, and why."""

import argparse
import getpass
from collections.abc import Iterator
from contextlib import contextmanager

from streamgauge.cli.watching import connection_of
from streamgauge.clients.control import Control


def add_said(verb: argparse.ArgumentParser) -> None:
    """Who says it, and why."""
    verb.add_argument("--note", metavar="TEXT", help="why, for the others")
    verb.add_argument("--actor", metavar="NAME", help="who says so (default: your user name)")


@contextmanager
def control_of(args: argparse.Namespace) -> Iterator[Control]:
    """In the name of the actor; closed at the end."""
    control = Control(connection_of(args), args.actor or getpass.getuser())
    try:
        yield control
    finally:
        control.close()

"""`python -m tests.upgrades`: the snapshots of releases that the next ones must restore.

python -m tests.upgrades write    that of the release that pyproject.toml names, by the present code
python -m tests.upgrades accept   what the present code tells after each of the others is right from now on
"""

import argparse

from streamgauge import __version__
from tests.upgrades.stored import FOLDER, StoredSnapshot, written_now


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.upgrades",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=("write", "accept"))
    if parser.parse_args().what == "write":
        print(written_now(__version__).write())
        return
    for path in sorted(FOLDER.glob("*.snapshot")):
        print(StoredSnapshot.read(path).retold().write())


main()

"""`python -m benchmarks.detection`: the tables of docs/detection.md; `--write` puts them and pictures there.

python -m benchmarks.detection --write          all of it, an hour; half of that for 40 fleets of each kind
python -m benchmarks.detection crowd real       only these
"""

import argparse
import sys
import time

from benchmarks.detection.page import PARTS, write


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.detection",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all if none is named"
    )
    parser.add_argument("--quick", action="store_true", help="a few streams of each, to see that it works")
    parser.add_argument("--write", action="store_true", help="into docs/detection.md and docs/pictures/")
    args = parser.parse_args(arguments)
    unknown = set(args.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if args.quick and args.write:
        parser.error("--quick is not for the page")
    for name in args.parts or PARTS:
        print(f"measuring {name} …", file=sys.stderr)
        started = time.process_time()
        section = PARTS[name](args.quick)
        print(f"{name}: {time.process_time() - started:.0f} s", file=sys.stderr)
        print(f"{section.table}\n", flush=True)
        if args.write:
            write(name, section)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

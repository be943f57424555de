"""`python -m benchmarks.others`: ours beside other tools; `--write` makes docs/comparison.md of it.

python -m benchmarks.others --write     all of it; installs the tools into build/others/, some 5 GB, first
python -m benchmarks.others River       ours and this one
python -m benchmarks.others ours        ours alone, for which nothing is installed
"""

import argparse

from benchmarks.others.data import FULL, QUICK
from benchmarks.others.measure import measured
from benchmarks.others.page import tables, write
from benchmarks.others.tools import OTHERS, OURS


def main(arguments: list[str] | None = None) -> int:
    names = {tool.name.lower(): tool for tool in OTHERS}
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.others",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "tools", nargs="*", metavar="TOOL", type=str.lower,
        help=f"of ours, {', '.join(names)}; all if none is named",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="one model of each, to see that it works")
    parser.add_argument("--write", action="store_true", help="docs/comparison.md and its picture")
    args = parser.parse_args(arguments)
    unknown = set(args.tools) - {"ours", *names}
    if unknown:
        parser.error(f"no tool is called {', '.join(sorted(unknown))}; there are ours, {', '.join(names)}")
    if args.write and (args.quick or args.tools):
        parser.error("the page is of all tools in one run: --write alone")
    some = [names[name] for name in args.tools or names if name in names]
    for tool in some:
        tool.install()
    rows = measured([OURS, *some], QUICK if args.quick else FULL, turns=1 if args.quick else 3)
    for table in tables(rows).values():
        print(f"{table}\n", flush=True)
    if args.write:
        write(rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

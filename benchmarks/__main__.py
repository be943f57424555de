"""`python -m benchmarks`: every figure as one table; `--json` for programs.

python -m benchmarks              all of it, some minutes; starts a Kafka broker from its jars
python -m benchmarks core logger  only these
"""

import argparse
import json
import sys
from dataclasses import asdict
from importlib import import_module

PARTS = (
    "alerting",
    "core",
    "detection",
    "intervals",
    "logger",
    "models",
    "multivariate",
    "replay",
    "state",
    "worker",
)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all if none is named"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    args = parser.parse_args()
    unknown = set(args.parts) - set(PARTS)
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    for part in args.parts or PARTS:
        print(f"measuring {part} …", file=sys.stderr)
        for figure in import_module(f"benchmarks.{part}").figures():
            print(json.dumps(asdict(figure)) if args.json else figure, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

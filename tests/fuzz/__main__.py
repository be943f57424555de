"""Every fuzz target so many times: python -m tests.fuzz --inputs 200000."""

import argparse
import resource
import sys
from pathlib import Path

from tests.fuzz.growth import DATA, DEFINITIONS, LARGEST, cost
from tests.fuzz.run import TARGETS, FindingError, fuzz

#: What all targets together may take beyond what the process has at the start: a bomb ends in MemoryError.
_ROOM = 1 << 30
#: Of four times the bytes: what is linear takes four times as long, what is quadratic sixteen times.
_STEEP, _NOTICEABLE_S = 10, 0.3


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all of them")
    parser.add_argument("--inputs", type=int, default=20_000, help="of each target (20000)")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + _ROOM, in_use + _ROOM))
    failed = 0
    for name in args.targets or TARGETS:
        try:
            found = fuzz(name, args.inputs, args.seed)
        except FindingError as error:
            failed += 1
            print(f"{name:<20} FOUND  {error}", flush=True)
            continue
        each_us = 1e6 * found.seconds / max(found.inputs, 1)
        print(
            f"{name:<20} {found.inputs:>9,} inputs, no crash, no hang; "
            f"{each_us:5.0f} µs each, the slowest {found.slowest_ms:.0f} ms",
            flush=True,
        )
    if not args.targets:
        failed += _growth()
    return 1 if failed else 0


def _growth() -> int:
    """What the dearest messages of a quarter of a megabyte and of a whole one take; 1 if one grew by more."""
    costs = {name: (cost(name, LARGEST // 4), cost(name, LARGEST - 4_000)) for name in (*DATA, *DEFINITIONS)}
    dearest = max(costs, key=lambda name: costs[name][1].seconds)
    print(
        f"{'growth':<20} {len(costs):>9} families of messages up to 1 MB; the dearest takes "
        f"{costs[dearest][1].seconds * 1_000:.0f} ms of processor time ({dearest})",
        flush=True,
    )
    steep = {
        name: much.seconds / little.seconds
        for name, (little, much) in costs.items()
        if much.seconds > _NOTICEABLE_S and much.seconds > _STEEP * little.seconds
    }
    for name, times in steep.items():
        print(f"{name:<20} FOUND  four times the bytes take {times:.0f} times the time")
    return len(steep)


if __name__ == "__main__":
    sys.exit(main())

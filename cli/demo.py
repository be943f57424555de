"""`streamgauge demo`: live models and their faults on an embedded broker, watched by one worker."""

import argparse
import sys

_EXAMPLES = """\
examples:
  streamgauge demo                          90 s, the faults of seed 1
  streamgauge demo --seed 7 --seconds 180   other faults, at half the speed
  streamgauge demo --no-faults              nothing goes wrong: there must be no alert
  streamgauge demo --json > verdict.json    for programs; progress goes to standard error

Three River models serve a few thousand predictions a second: a classifier on River's Phishing data, a
regressor on its TrumpApproval data (rows of both drawn with replacement) and a credit model on its Agrawal
generator. Four hours of event time pass. Exit codes: 0 every fault was noticed (with --no-faults: no alert
came), 1 not so, or a process failed, 2 wrong use.
"""

SHORTEST_S, LONGEST_S = 30.0, 3_600.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Length, seed, faults or none, form of the verdict."""
    parser.epilog = _EXAMPLES
    parser.add_argument("--seconds", type=_seconds, default=90.0, help="how long it takes (default: 90)")
    parser.add_argument("--seed", type=_seed, default=1, help="draws the faults and the traffic (default: 1)")
    parser.add_argument("--no-faults", action="store_true", help="let nothing go wrong")
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")


def run(args: argparse.Namespace) -> int:
    """Run the demo to its verdict."""
    print("starting the embedded broker, a worker and three River models", file=sys.stderr, flush=True)
    from streamgauge.demo.run import Options, run_demo

    return run_demo(Options(args.seconds, args.seed, not args.no_faults, args.json))


def _seconds(text: str) -> float:
    seconds = float(text)
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise argparse.ArgumentTypeError(f"takes {SHORTEST_S:.0f} to {LONGEST_S:.0f} seconds")
    return seconds


def _seed(text: str) -> int:
    seed = int(text)
    if not 0 <= seed < 2**32:
        raise argparse.ArgumentTypeError("is a whole number from 0 to 4294967295")
    return seed

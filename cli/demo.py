"""`streamgauge demo`: live models and their faults on an embedded broker, watched by one worker."""

import argparse
import sys

from streamgauge.cli.arguments import number, whole_number

_EXAMPLES = """\
examples:
  streamgauge demo                          90 s, the faults of seed 1
  streamgauge demo --seed 7 --seconds 180   other faults, at half the speed
  streamgauge demo --no-faults              nothing goes wrong: there must be no alert
  streamgauge demo --json > verdict.json    for programs; progress goes to standard error

Three River models serve a few thousand predictions a second: a classifier on River's Phishing data, a
regressor on its TrumpApproval data (rows of both drawn with replacement) and a credit model on its Agrawal
generator. A training job answers retrain requests; its version gets half of the traffic, and all of it once
it is better. Four hours of event time pass. Exit codes: 0 every fault was noticed (with --no-faults: no alert
came), 1 not so, or a process failed, 2 wrong use.
"""

SHORTEST_S, LONGEST_S = 30, 3_600


def configure(parser: argparse.ArgumentParser) -> None:
    """Length, seed, faults or none, form of the verdict."""
    parser.epilog = _EXAMPLES
    parser.add_argument(
        "--seconds",
        type=number(SHORTEST_S, LONGEST_S),
        default=90.0,
        metavar="N",
        help=f"how long the traffic lasts, {SHORTEST_S} to {LONGEST_S} (default 90)",
    )
    parser.add_argument(
        "--seed",
        type=whole_number(0, 2**32 - 1),
        default=1,
        metavar="N",
        help="draws the faults and the traffic (default 1)",
    )
    parser.add_argument("--no-faults", action="store_true", help="let nothing go wrong")
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")


def run(args: argparse.Namespace) -> int:
    """Run the demo to its verdict."""
    told = "starting the embedded broker, a worker, a training job and three River models"
    print(told, file=sys.stderr, flush=True)
    from streamgauge.demo.run import Options, run_demo

    return run_demo(Options(args.seconds, args.seed, not args.no_faults, args.json))

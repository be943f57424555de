"""Random actions against a real broker and real workers: python -m tests.chaos --seed 1 --minutes 3."""

import argparse
import json
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.drawing import draw
from tests.chaos.plan import Plan
from tests.chaos.run import Outcome, cannot_be_had, carry_out, summary
from tests.chaos.scale import LONG
from tests.chaos.shrink import shrink
from tests.kafka_broker import open_jar_broker


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, nargs="+", default=[1], help="one after the other (1)")
    parser.add_argument("--minutes", type=float, default=3.0, help="of traffic, for each seed (3)")
    parser.add_argument("--without", nargs="+", default=[], metavar="ACTION", help="leave these out")
    parser.add_argument("--plan", type=Path, help="carry out this file, which an earlier run saved")
    parser.add_argument("--shrink", action="store_true", help="drop steps of a failing plan while it fails")
    parser.add_argument("--out", type=Path, default=Path("build/chaos"), help="plans, outcomes, logs")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # or else broker, workers and mounts stay
    args.out.mkdir(parents=True, exist_ok=True)
    plans = (
        [Plan.load(args.plan)]
        if args.plan
        else [draw(seed, args.minutes * 60, LONG, [*cannot_be_had(), *args.without]) for seed in args.seed]
    )
    failed = void = 0
    for plan in plans:
        outcome = _run(plan, args.out)
        void += outcome.is_void
        failed += _failed(outcome)
        if _failed(outcome) and args.shrink:
            small = shrink(plan, lambda smaller: _failed(_run(smaller, args.out)))
            small.save(args.out / f"seed-{plan.seed}.shrunk.json")
            print(f"shrunk from {len(plan.steps)} to {len(small.steps)} steps: {dict(small.actions)}")
    print(f"of {len(plans)} runs {len(plans) - failed - void} are exact, {void} void, {failed} FAILED")
    return 1 if failed else 0


def _failed(outcome: Outcome) -> bool:
    return bool(outcome.problems) and not outcome.is_void


def _run(plan: Plan, out: Path) -> Outcome:
    name = f"seed-{plan.seed}-{time.strftime('%H%M%S')}"
    plan.save(out / f"{name}.plan.json")
    logs = out / name
    logs.mkdir()
    with tempfile.TemporaryDirectory(prefix="chaos-") as data, open_jar_broker(Path(data)) as broker:
        outcome = carry_out(plan, broker, logs, lambda text: print(f"  {text}", flush=True))
    (out / f"{name}.outcome.json").write_text(json.dumps(outcome.to_json(), indent=1))
    for note in outcome.notes:
        print(f"  {note}")
    for problem in outcome.problems[:20]:
        print(f"  PROBLEM {problem[:1_000]}")
    print(summary(outcome), flush=True)
    return outcome


if __name__ == "__main__":
    sys.exit(main())

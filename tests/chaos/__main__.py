"""Random actions against a real broker and real workers: python -m tests.chaos --seed 1 --minutes 3."""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.drawing import draw
from tests.chaos.plan import Plan
from tests.chaos.run import carry_out, summary
from tests.chaos.scale import LONG
from tests.kafka_broker import open_jar_broker


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, action="append", help="one or more of these; 1 by default")
    parser.add_argument("--minutes", type=float, default=3.0, help="of traffic, for each seed (3)")
    parser.add_argument("--plan", type=Path, help="carry out this file, which an earlier run saved")
    parser.add_argument("--shrink", action="store_true", help="drop steps of a failing plan while it fails")
    parser.add_argument("--out", type=Path, default=Path("build/chaos"), help="plans, outcomes, logs")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.plan:
        plans = [Plan.load(args.plan)]
    else:
        plans = [draw(seed, args.minutes * 60, LONG) for seed in args.seed or [1]]
    return max(_run(plan, args.out) for plan in plans)


def _run(plan: Plan, out: Path) -> int:
    name = f"seed-{plan.seed}-{time.strftime('%H%M%S')}"
    plan.save(out / f"{name}.plan.json")
    logs = out / name
    logs.mkdir()
    with tempfile.TemporaryDirectory(prefix="chaos-") as data, open_jar_broker(Path(data)) as broker:
        outcome = carry_out(plan, broker, logs, lambda text: print(f"  {text}", flush=True))
    (out / f"{name}.outcome.json").write_text(json.dumps(outcome.to_json(), indent=1))
    for problem in outcome.problems[:20]:
        print(f"  PROBLEM {problem[:1_000]}")
    print(summary(outcome), flush=True)
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())

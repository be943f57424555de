"""`streamgauge compare`: how versions that share the traffic compare by now."""

import argparse
import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from streamgauge.cli.stored_models import restored
from streamgauge.cli.watching import add_connection, connection_of, number
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.times import format_time
from streamgauge.streams.stored import STANDING, read_stored

if TYPE_CHECKING:
    from streamgauge.streams.core.comparisons import Duel
    from streamgauge.streams.core.reports import Naming

_HELP = """\
example:
  streamgauge compare --model credit

Comparisons are those that a definition names under `comparisons`, and those of a version that a retraining
brought with the one before it. Intervals hold at all looks at once: look as often as you like.

Exit codes: 0 done, 1 failed, 2 wrong use.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.epilog = _HELP
    add_connection(parser)
    parser.add_argument("--model", help="only this model")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for each comparison")


def run(args: argparse.Namespace) -> int:
    """0 when what the workers have committed was shown, 1 when it cannot be read or has no such model."""
    found, known = 0, set()
    for model, duel, naming in _duels(args):
        known.add(model)
        if args.model not in (None, model) or duel is None:
            continue
        found += 1
        if args.json:
            print(json.dumps(_record(model, duel, naming), ensure_ascii=False))
        else:
            print("\n".join(_lines(model, duel, naming)))
    if args.model is not None and args.model not in known:
        raise ConfigurationError(f"the workers watch no model {args.model!r}")
    if not found and not args.json:
        print("nothing is compared: a definition names versions under `comparisons`")
    return 0


def _duels(args: argparse.Namespace) -> "Iterator[tuple[str, Duel | None, Naming]]":
    """(model, comparison, what its integers stand for); None for a model without any."""
    connection = connection_of(args)
    for _, model in restored(read_stored(connection, STANDING), connection.prefix):
        duels: list[Duel | None] = [*model.intake.comparisons]
        for duel in duels or [None]:
            yield model.definition.model, duel, model.judge.naming(model.intake)


def _record(model: str, duel: "Duel", naming: "Naming") -> dict[str, Any]:
    from streamgauge.streams.core.comparing import share_of_traffic, verdicts

    traffic = share_of_traffic(duel)
    return {
        "model": model,
        **duel.terms.model_dump(mode="json"),
        "since": None if duel.start_us is None else format_time(duel.start_us),
        "predictions": {version: arm.bag.n for version, arm in duel.arms.items()},
        "verdicts": [asdict(verdict) for verdict in verdicts(duel, naming)],
        "share_evidence": None if traffic is None else math.exp(min(traffic[1], 700.0)),
    }


def _lines(model: str, duel: "Duel", naming: "Naming") -> Iterator[str]:
    from streamgauge.streams.core.comparing import share_of_traffic, verdicts

    champion, challenger = duel.versions
    if duel.start_us is None:
        yield f"{model}: {challenger} against {champion}: both have had no traffic at the same time yet"
        return
    first, second = (duel.arms[version].bag.n for version in duel.versions)
    since = format_time(duel.start_us)[:16] + "Z"
    yield f"{model}: {challenger} ({second:,}) against {champion} ({first:,} predictions), since {since}"
    for verdict in verdicts(duel, naming):
        values = f"{number(verdict.challenger.value)} against {number(verdict.champion.value)}"
        yield f"  {verdict.word:<10} {verdict.metric:<20} {values}: {verdict.why}"
    traffic = share_of_traffic(duel)
    if traffic is not None:
        share, evidence = traffic
        said = "not as declared" if evidence >= math.log(100) else "as declared, as far as can be told"
        yield f"  traffic    {challenger} gets {number(share.value)}, {duel.terms.share} is declared: {said}"

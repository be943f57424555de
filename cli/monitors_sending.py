"""`streamgauge monitors apply` and `retire`: what would change, a question, and then the control events."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamgauge.cli.arguments import agree
from streamgauge.cli.definition_files import contents, read_valid
from streamgauge.cli.saying import control_of
from streamgauge.cli.watching import connection_of
from streamgauge.clients.connection import Connection
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.message import CONTROL
from streamgauge.schemas.monitor import Fleet, MonitorDefinition
from streamgauge.schemas.monitor_comparison import Comparison

if TYPE_CHECKING:
    from streamgauge.schemas.profile import BaselineProfile
    from streamgauge.streams.differences import Change
    from streamgauge.streams.stored import StoredPartition


_ANEW = "→ its windows and baselines start anew, and labels still to come find no prediction from before"


@dataclass(frozen=True, slots=True)
class _Step:
    """One document: of a model, or of the fleet (None). `is_new`: the workers do not know the model.

    `anew`: what they hold of it, windows and baselines, is of no use under the document.
    """

    file: str
    model: str | None
    is_new: bool
    changes: "list[Change]"
    document: dict[str, Any]
    profile: "BaselineProfile | None" = None
    anew: bool = False
    #: Comparisons that begin now, as their terms change.
    compared: tuple[Comparison, ...] = ()

    @property
    def title(self) -> str:
        name = "the fleet" if self.model is None else self.model
        if self.is_new:
            return f"{name}: new"
        many = len(self.changes)
        return f"{name}: {f'{many} change' + 's' * (many > 1) if many else 'no change'}"


def apply(args: argparse.Namespace) -> int:
    """0 when Kafka has stored what changes, or nothing does; 1 when something is wrong, or nobody agreed."""
    files = read_valid(args.files)
    connection = connection_of(args)
    stored = _stored(connection)
    steps = [
        _step(name, document, stored) for name, (_, documents) in files.items() for document in documents
    ]
    unsettled = sum(partition.lag[CONTROL] for partition in stored or ())
    # Kafka keeps control events until the workers read them: what they will hold is not known before
    sure = stored is not None and not unsettled
    due = [step for step in steps if step.changes or step.is_new or not sure]
    if unsettled and not args.json:
        print(
            f"{unsettled} control events before these are not applied yet: is a worker running?",
            file=sys.stderr,
        )
    if not args.json:
        for step in steps:
            again = [f"→ {each.challenger} is compared with {each.champion} anew" for each in step.compared]
            print("\n  ".join([step.title, *map(str, step.changes), *[_ANEW] * step.anew, *again]))
    sent = bool(due) and not args.dry_run
    if sent:
        agree(args, f"send {len(due)} document{'s' * (len(due) > 1)} to the workers")
        with control_of(args) as control:
            for step in due:
                control.define(step.document)
                if step.model is not None and step.profile is not None:
                    control.adopt_baseline(step.model, step.profile.to_json())
    if args.json:
        for step in steps:
            told = {"file": step.file, "model": step.model, "new": step.is_new, "anew": step.anew}
            changes = [asdict(change) for change in step.changes]
            print(json.dumps(told | {"changes": changes, "sent": sent and step in due}))
    elif sent:
        for name, (checked, _) in files.items():
            print(f"{name}: sent; {contents(checked)}")
    else:
        print("nothing was sent: " + ("this is a dry run" if args.dry_run else "the workers hold all of it"))
    return 0


def retire(args: argparse.Namespace) -> int:
    """0 when Kafka has stored the order; 1 when there is no such model, or nobody agreed."""
    connection = connection_of(args)
    stored = _stored(connection)
    if stored is not None and not any(partition.lag[CONTROL] for partition in stored):
        known = sorted(name for partition in stored for name in partition.definitions())
        if args.model not in known:
            watched = ", ".join(known[:20]) + (", …" if len(known) > 20 else "") if known else "none"
            raise ConfigurationError(f"the workers watch no model {args.model!r}; there are: {watched}")
    agree(args, f"end the alerts of {args.model} and delete its windows, baselines and waiting predictions")
    with control_of(args) as control:
        control.retire(args.model, note=args.note)
    if args.json:
        print(json.dumps({"model": args.model, "sent": True}))
    else:
        print(
            f"{args.model}: sent. If it still gets events, it is watched again, with the fleet's defaults: "
            "stop its loggers first"
        )
    return 0


def _stored(connection: Connection) -> "list[StoredPartition] | None":
    """What the workers hold; None, and a word about it, where it cannot be read."""
    from streamgauge.streams.stored import DEFINED, read_stored

    try:
        return read_stored(connection, DEFINED)
    except ConfigurationError as error:
        print(f"what the workers hold cannot be shown: {error}", file=sys.stderr)
        return None


def _step(file: str, document: dict[str, Any], stored: "Sequence[StoredPartition] | None") -> _Step:
    from streamgauge.streams.differences import Change, differences
    from streamgauge.streams.profile_files import profile_of

    model = document.get("model")
    if model is None:
        fleets = [partition.fleet for partition in stored or ()]
        held = next((fleet for fleet in fleets if fleet is not None), Fleet())
        return _Step(file, None, False, differences(held, Fleet.model_validate(document)), document)
    known = [found for partition in stored or () if (found := partition.definitions().get(model))]
    before = known[0] if known else MonitorDefinition(model=model)
    is_new = stored is not None and not known
    wanted = MonitorDefinition.model_validate(document)
    changes = differences(before, wanted)
    profile = profile_of(wanted, Path() if file == "-" else Path(file).parent)
    if profile is not None:
        given = next((r[model] for p in stored or () if model in (r := p.references())), None)
        if given != profile.profile_id:
            changes.append(Change("the stored profile", given, profile.profile_id))
    anew = bool(known and changes) and _starts_anew(before, wanted)
    others = {(each.champion, each.challenger): each for each in before.comparisons}
    compared = tuple(
        each
        for each in wanted.comparisons
        if (each.champion, each.challenger) in others and each not in before.comparisons
    )
    return _Step(file, model, is_new, changes, document, profile, anew, compared)


def _starts_anew(before: MonitorDefinition, wanted: MonitorDefinition) -> bool:
    from streamgauge.streams.core.baselines import learns_anew
    from streamgauge.streams.core.context import starts_anew

    return starts_anew(before, wanted) or learns_anew(before.baseline, wanted.baseline)

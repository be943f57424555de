"""`streamgauge baseline`: profiles of what is normal, built, looked at, compared, merged and adopted."""

import argparse
import getpass
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from streamgauge.cli import baseline_tables as tables
from streamgauge.cli.arguments import new_verb, whole_number
from streamgauge.cli.watching import add_connection, connection_of
from streamgauge.clients.control import Control
from streamgauge.detectors.profile_comparison import compare_features, compare_pairs
from streamgauge.detectors.profile_merge import merge_profiles
from streamgauge.detectors.profile_review import review
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.profile import BaselineProfile
from streamgauge.schemas.profile_schema import profile_schema
from streamgauge.streams.core.bank import watched
from streamgauge.streams.profile_files import check_size, read_profile, write_profile
from streamgauge.streams.profiles import Built, build_from_files, definitions_in

_CODES = "Exit codes: 0 done, 1 failed, 2 wrong use."
_BUILD = f"""\
example:
  streamgauge baseline build --predictions predictions.jsonl --ground-truth labels.jsonl --out credit.json

The profile is the one that a worker would learn from these predictions: bins, counts and rates, and no rows.
With labels it holds how often the model was wrong, too. Files are JSONL, CSV, Parquet or Avro. Rows should be
in the order of their time: how much they depend on each other is part of the profile. {_CODES}
"""
_INSPECT = f"""\
example:
  streamgauge baseline inspect credit.json

Also says what the profile is too small for, and what changes within it. {_CODES}
"""
_COMPARE = f"""\
example:
  streamgauge baseline compare september.json october.json

What differs most comes first: by PSI over its noise level, which PSI stays below in 95 of 100 samples
without any difference. {_CODES}
"""
_MERGE = f"""\
example:
  streamgauge baseline merge september.json october.json --out autumn.json

Counts of rows and categories, rates, means and deviations are exact. Where the bins of a number differ, those
of the profile with more values stay. Which features go together, and what estimates performance, cannot be
merged: build a profile from all rows for that. {_CODES}
"""
_SCHEMA = f"""\
example:
  streamgauge baseline schema > baseline-profile.schema.json

{_CODES}
"""
_ADOPT = f"""\
examples:
  streamgauge baseline adopt --model credit --version 7 --profile credit.json
  streamgauge baseline adopt --model credit --version 7 --current --note "prices rose for good"

From then on, a version is judged against the profile, or with --current against its next predictions, as many
as `baseline.first` says. Evidence starts anew, and open alerts of what is judged so resolve in your name.
Without --version it is for all versions, and a profile also for those to come under a definition that names
one. {_CODES}
"""


#: What a merged profile lacks.
_LEFT_OUT = {
    "estimator": "what estimates performance before labels come",
    "pairs": "which features go together (multivariate_drift)",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """The verbs of `baseline`."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    build = _verb(verbs, "build", "build a profile from files of events", _BUILD, _build)
    build.add_argument(
        "--predictions", type=Path, required=True, metavar="FILE", help="reference predictions"
    )
    build.add_argument("--ground-truth", type=Path, metavar="FILE", help="their labels")
    build.add_argument("--monitors", type=Path, metavar="FILE", help="definitions, for task and ranges")
    build.add_argument("--model", help="of this model, if there are several")
    build.add_argument("--version", metavar="VERSION", help="of this version, if there are several")
    build.add_argument("--feature", action="append", default=[], metavar="NAME", help="only this; repeatable")
    build.add_argument(
        "--rows",
        type=whole_number(1),
        default=1_000_000,
        metavar="N",
        help="at most the first N predictions (default 1,000,000)",
    )
    _add_out(build)
    inspect = _verb(verbs, "inspect", "show a profile, and what it is too small for", _INSPECT, _inspect)
    inspect.add_argument("file", type=Path, metavar="FILE")
    compare = _verb(verbs, "compare", "show how two profiles differ, feature by feature", _COMPARE, _compare)
    compare.add_argument("first", type=Path, metavar="FIRST")
    compare.add_argument("second", type=Path, metavar="SECOND")
    merge = _verb(verbs, "merge", "make one profile of several", _MERGE, _merge)
    merge.add_argument("files", type=Path, nargs="+", metavar="FILE")
    _add_out(merge)
    _verb(verbs, "schema", "print the JSON Schema of profiles", _SCHEMA, _schema)
    adopt = _verb(verbs, "adopt", "judge a model against another baseline from now on", _ADOPT, _adopt)
    adopt.add_argument("--model", required=True)
    adopt.add_argument("--version", metavar="VERSION", help="one version (default: all)")
    source = adopt.add_mutually_exclusive_group(required=True)
    source.add_argument("--profile", type=Path, metavar="FILE", help="a stored profile")
    source.add_argument("--current", action="store_true", help="learn it from the next predictions")
    adopt.add_argument("--note", help="why, for people")
    adopt.add_argument("--actor", metavar="NAME", help="who says so (default: your login name)")
    add_connection(adopt)


def run(args: argparse.Namespace) -> int:
    """Run the chosen verb."""
    args.run_verb(args)
    return 0


def _verb(
    verbs: Any, name: str, help: str, epilog: str, run_verb: Callable[[argparse.Namespace], None]
) -> argparse.ArgumentParser:
    verb = new_verb(verbs, name, help, epilog)
    verb.add_argument("--json", action="store_true", help="for programs: one JSON object")
    verb.set_defaults(run_verb=run_verb)
    return verb


def _add_out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the profile goes")


def _build(args: argparse.Namespace) -> None:
    built = build_from_files(
        args.predictions,
        args.ground_truth,
        definition=None if args.monitors is None else definitions_in(args.monitors),
        model=args.model,
        version=args.version,
        rows=args.rows,
        only=args.feature,
    )
    write_profile(built.profile, args.out)
    told = _told(built)
    if args.json:
        print(json.dumps(told | {"out": str(args.out)}))
        return
    print(tables.built(told, args.out))
    for remark in review(built.profile):
        print(tables.remark(remark))


def _told(built: Built) -> dict[str, Any]:
    names = ("model", "version", "rows", "labelled", "refused", "left")
    told = {name: getattr(built, name) for name in names}
    times = {"from": tables.stamp(built.first_us), "to": tables.stamp(built.last_us)}
    return {"profile": built.profile.profile_id} | told | times


def _inspect(args: argparse.Namespace) -> None:
    profile = read_profile(args.file)
    remarks = review(profile)
    if args.json:
        found = [{"feature": r.feature or None, "problem": r.problem, "text": r.text} for r in remarks]
        print(json.dumps({"profile": profile.profile_id, "rows": profile.rows, "remarks": found}))
        return
    for line in tables.profile(profile, watched(profile), remarks):
        print(line)


def _compare(args: argparse.Namespace) -> None:
    first, second = read_profile(args.first), read_profile(args.second)
    found = compare_features(watched(first), watched(second))
    together = compare_pairs(first.pairs, second.pairs)
    if args.json:
        print(
            json.dumps(
                {
                    "first": first.profile_id,
                    "second": second.profile_id,
                    "features": [tables.difference_record(difference) for difference in found],
                    "pairs": [asdict(pair) for pair in together],
                }
            )
        )
        return
    for line in tables.comparison(found, together):
        print(line)


def _merge(args: argparse.Namespace) -> None:
    if len(args.files) < 2:
        raise ConfigurationError("name the two or more profiles that are to become one")
    profiles = [read_profile(path) for path in args.files]
    merged = profiles[0]
    for path, profile in zip(args.files[1:], profiles[1:], strict=True):
        try:
            merged = merge_profiles(merged, profile)
        except ValueError as error:
            raise ConfigurationError(f"{path} cannot be merged with the others: {error}") from error
    write_profile(merged, args.out)
    left = [part for part in ("estimator", "pairs") if any(getattr(each, part) for each in profiles)]
    if args.json:
        told = {"profile": merged.profile_id, "rows": merged.rows, "left_out": left, "out": str(args.out)}
        print(json.dumps(told))
        return
    print(f"{args.out}: {merged.rows:,} rows of {len(args.files)} profiles, {merged.profile_id}")
    for part in left:
        print(f"! {_LEFT_OUT[part]} cannot be merged and is not part of it")


def _schema(args: argparse.Namespace) -> None:
    print(json.dumps(profile_schema(), indent=None if args.json else 2))


def _adopt(args: argparse.Namespace) -> None:
    profile: BaselineProfile | None = None
    if args.profile is not None:
        profile = read_profile(args.profile)
        check_size(profile, str(args.profile))
    actor = args.actor or getpass.getuser()
    control = Control(connection_of(args), actor)
    try:
        document = None if profile is None else profile.to_json()
        control.adopt_baseline(args.model, document, args.version, args.note)
    finally:
        control.close()
    told = {
        "model": args.model,
        "version": args.version,
        "profile": None if profile is None else profile.profile_id,
        "actor": actor,
    }
    if args.json:
        print(json.dumps(told))
        return
    whom = args.model if args.version is None else f"{args.model} {args.version}"
    against = "its next predictions, once it has learned them" if profile is None else profile.profile_id
    print(f"sent: {whom} will be judged against {against}")

"""Which record of the `state` topic holds what: one for a model, one a window, one a block of its join.

Keys are JSON arrays, so that people can read the topic: ["applied"], ["fleet"], ["brief", name],
["model", name], ["reference", name], ["profile", name, version], ["learning", name, version, chunk],
["window", name, version, start], ["rollup", name, version, length, start], ["predictions", name, block],
["labels", name, block], ["waiting", name, block], ["retired", name].
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from streamgauge.schemas.errors import StateError
from streamgauge.schemas.monitor import Fleet
from streamgauge.streams.core.brief import Brief
from streamgauge.streams.core.context import Context
from streamgauge.streams.core.journal import Journal
from streamgauge.streams.core.keys import PREDICTIONS, ROLLUP, WINDOW, key_of
from streamgauge.streams.core.model import ModelState
from streamgauge.streams.core.relief import binners
from streamgauge.streams.core.shelf import Found, parts_in
from streamgauge.streams.core.silences import Silences
from streamgauge.streams.core.snapshot import decode_state, encode_state
from streamgauge.streams.core.windows import Window

Change = tuple[bytes, bytes | None]
APPLIED = b'["applied"]'
FLEET = b'["fleet"]'
RETIRED = b'["retired",'
#: Kinds of records that are of the whole partition.
COMMON = frozenset(["applied", "fleet", "retired"])
MODEL = "model"
#: What a partition knows of a model that sleeps.
BRIEF = "brief"
#: Kinds of records that make up a model.
PARTS = frozenset(
    [BRIEF, MODEL, "reference", "profile", "learning", WINDOW, ROLLUP, PREDICTIONS, "labels", "waiting"]
)


def changes(
    applied: Mapping[str, int],
    told: tuple[Fleet, Silences, Journal],
    models: Iterable[tuple[str, ModelState, Brief]],
    retired: Iterable[tuple[str, tuple[int, int] | None]],
) -> list[Change]:
    """Snapshots of the offsets, of what the whole fleet was told, of what changed in `models`, and of what is
    kept of models that were retired (or, where that is None, came back)."""
    fleet, silences, journal = told
    common = [fleet.model_dump_json(), silences.to_state(), journal.to_state()]
    found: list[Change] = [(APPLIED, encode_state(dict(applied))), (FLEET, encode_state(common))]
    for name, model, brief in models:
        found += (
            (key_of(*parts), None if state is None else encode_state(state))
            for parts, state in _model(name, model, brief)
        )
    for name, numbers in retired:
        found.append((key_of("retired", name), None if numbers is None else encode_state(list(numbers))))
    return found


def restore_applied(stored: Mapping[bytes, bytes]) -> dict[str, int]:
    """The offsets. Raises `StateError`."""
    applied: dict[str, int] = decode_state(stored[APPLIED]) if APPLIED in stored else {}
    return applied


def restore_told(stored: Mapping[bytes, bytes]) -> tuple[Fleet | None, Silences, Journal]:
    """What the whole fleet was told. Raises `StateError`."""
    if FLEET not in stored:
        return None, Silences(), Journal()
    document, silences, journal = decode_state(stored[FLEET])
    return Fleet.model_validate_json(document), Silences.from_state(silences), Journal.from_state(journal)


def restore_retired(stored: Mapping[bytes, bytes]) -> dict[str, tuple[int, int]]:
    """The last episode and request number of each retired model. Raises `StateError`."""
    return {
        json.loads(key)[1]: tuple(decode_state(value))
        for key, value in stored.items()
        if key.startswith(RETIRED)
    }


def restore_model(name: str, records: Found, context: Context) -> ModelState:
    """One model of those that `changes` described, from what gives its snapshots. Raises `StateError`."""
    kinds: dict[str, dict[tuple[Any, ...], Any]] = {}
    for key, snapshot in records:
        kind, _, *rest = parts_in(key)
        if kind == BRIEF:
            continue
        stays = context.cold is not None and kind == PREDICTIONS
        kinds.setdefault(kind, {})[tuple(rest)] = None if stays else decode_state(snapshot())
    try:
        return _restored(name, kinds, context)
    except (LookupError, TypeError, ValueError, AttributeError) as error:  # sound bytes of another meaning
        raise StateError(
            f"the state of {name!r} is of another form ({type(error).__name__}): start the release that "
            "wrote it, or start afresh with another STREAMGAUGE_TOPIC_PREFIX"
        ) from error


def _model(name: str, model: ModelState, brief: Brief) -> Iterator[tuple[tuple[Any, ...], Any]]:
    yield (BRIEF, name), brief.to_state()
    yield (MODEL, name), model.to_state()
    changed, profile = model.intake.reference.changes()
    if changed:
        yield ("reference", name), profile
    join = model.intake.join
    predictions, waiting = join.predictions, join.waiting
    for kind, table in (("predictions", predictions), ("labels", predictions.given), ("waiting", waiting)):
        for block, state in table.changes():
            yield (kind, name, block), state
    gone, model.intake.gone = model.intake.gone, []
    for version in gone:
        yield ("profile", name, version.name), None
    for version in (*gone, *model.intake.versions.values()):
        for start, state in version.changed_windows():
            yield (WINDOW, name, version.name, start), state
        for (length, start), state in version.rollups.changes():
            yield (ROLLUP, name, version.name, length, start), state
        for chunk, state in version.watch.learning.changes():
            yield ("learning", name, version.name, chunk), state
        changed, profile = version.watch.changed_profile()
        if changed:
            yield ("profile", name, version.name), profile


def _restored(name: str, kinds: dict[str, dict[tuple[Any, ...], Any]], context: Context) -> ModelState:
    if MODEL not in kinds:
        raise StateError(f"the state has a brief of {name!r}, but not the model itself")
    model = ModelState.from_state(kinds[MODEL][()], context, kinds.get("profile", {}))
    for profile in kinds.get("reference", {}).values():
        model.intake.reference.load(profile)
    join = model.intake.join
    blocks = {
        kind: {block: part for (block,), part in kinds.get(kind, {}).items()}
        for kind in ("predictions", "labels", "waiting")
    }
    cold = context.cold
    join.predictions.load(blocks["predictions"] if cold is None else cold.blocks(name, blocks["predictions"]))
    join.predictions.load_labels(blocks["labels"])
    join.waiting.load(blocks["waiting"])
    for (version, start), window in sorted(kinds.get(WINDOW, {}).items()):
        found = model.intake.version(version)
        found.windows[start] = Window.from_state(start, window, *binners(found.watch))
    for (version, length, start), rollup in sorted(kinds.get(ROLLUP, {}).items()):
        found = model.intake.version(version)
        found.rollups.held[length, start] = Window.from_state(start, rollup, *binners(found.watch))
    chunks: dict[str, dict[int, Any]] = {}
    for (version, number), chunk in kinds.get("learning", {}).items():
        chunks.setdefault(version, {})[number] = chunk
    for version, parts in chunks.items():
        model.intake.version(version).watch.learning.load(parts)
    return model

"""Builds baseline profiles from files of events, by the rules by which a worker learns them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from streamgauge.detectors.baseline import build_profile
from streamgauge.schemas.batch import Bools, Column, Floats, GroundTruthBatch, Ints, PredictionBatch
from streamgauge.schemas.decode import Batch
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.estimator import Estimator
from streamgauge.schemas.merge import take_rows
from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.schemas.profile import BaselineProfile
from streamgauge.streams.core.estimates import EstimateBank
from streamgauge.streams.core.learning import Learning
from streamgauge.streams.core.names import Names
from streamgauge.streams.definitions import check
from streamgauge.streams.sources.files import open_file

#: As many as a worker learns from at least.
_LEAST_LABELLED = 200

#: Batches of a file with the places of their rows in it, and how many rows of it could not be read.
Batches = Iterator[tuple[list[tuple[Batch, Ints]], int]]


@dataclass(frozen=True, slots=True)
class Built:
    """A profile, and what of the files went into it.

    `rows` predictions from `first_us` to `last_us`, `labelled` of them with a label; `refused` rows of the
    files could not be read, and `left` predictions came after the most that were asked for.
    """

    profile: BaselineProfile
    model: str
    version: str | None
    rows: int
    labelled: int
    refused: int
    left: int
    first_us: int
    last_us: int


def build_from_files(
    predictions: Path,
    ground_truth: Path | None = None,
    *,
    definition: Callable[[str], MonitorDefinition] | None = None,
    model: str | None = None,
    version: str | None = None,
    rows: int = 1_000_000,
    only: Sequence[str] = (),
) -> Built:
    """The baseline that the worker would learn from the first `rows` predictions of a model in a file.

    `definition` gives that of a model, for its task and ranges. With `ground_truth`, errors are part of it,
    and what they teach about performance before labels come.
    `only` names the features to take, else it is all. Raises `ConfigurationError` if the files hold nothing
    of use, or several models or versions to choose from.
    """
    parts, refused, left = _chosen(predictions, model, version, rows)
    if not parts:
        raise ConfigurationError(f"{predictions} holds no predictions{_of(model, version)}")
    name = parts[0][0].model
    wanted = MonitorDefinition(model=name) if definition is None else definition(name)
    names = Names.of(wanted)
    labels: list[GroundTruthBatch] = []
    names.infer([(batch.prediction, offsets) for batch, offsets in parts])
    if names.ranks:
        raise ConfigurationError(f"{name} ranks: the worker learns its baseline from its first events")
    if ground_truth is not None:
        labels, unread = _labels(ground_truth, name)
        refused += unread
    learning = Learning()
    for batch, _ in parts:
        predicted = names.predicted(batch)
        column: Column = names.class_column(predicted) if names.classifies else predicted
        learning.add(batch.features, column, names.scores(batch))
    batches = [batch for batch, _ in parts]
    known, errors = _errors(batches, labels, names)
    features, prediction, score = learning.columns()
    unknown = [name for name in only if name not in features]
    if unknown:
        raise ConfigurationError(f"{predictions} has no feature {', '.join(unknown)}")
    features = {name: features[name] for name in only} if only else features
    profile = build_profile(
        features,
        prediction,
        score if np.isfinite(score).any() else None,
        errors if len(errors) else None,
        {feature: (f.min, f.max) for feature, f in wanted.features.items()},
    )
    estimator = _estimator(batches, known, errors, names, wanted, profile)
    times = np.concatenate([batch.time_us for batch in batches])
    return Built(
        replace(profile, estimator=estimator), name, version, learning.rows, len(errors), refused, left,
        int(times.min()), int(times.max()),
    )  # fmt: skip


def definitions_in(path: Path) -> Callable[[str], MonitorDefinition]:
    """Those of a file, by model; the defaults for others. Raises `ConfigurationError` if it is not valid."""
    try:
        checked = check(str(path), path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"cannot read {path}: it is not a text in UTF-8") from error
    if checked.problems:
        raise ConfigurationError("\n".join(map(str, checked.problems)))
    known = {definition.model: definition for definition in checked.definitions}
    return lambda model: known.get(model) or MonitorDefinition(model=model)


def _chosen(
    path: Path, model: str | None, version: str | None, most: int
) -> tuple[list[tuple[PredictionBatch, Ints]], int, int]:
    """The first `most` different predictions of one model and version in the order of the file."""
    known: set[bytes] = set()
    found: list[tuple[PredictionBatch, Ints]] = []
    seen: dict[str, set[str]] = {}
    refused = rows = left = 0
    for batches, unread in _batches(PREDICTIONS, path):
        refused += unread
        for batch, offsets in batches:
            assert isinstance(batch, PredictionBatch)
            if model not in (None, batch.model) or version not in (None, batch.version):
                continue
            seen.setdefault(batch.model, set()).add(batch.version)
            _only_one(path, seen, version)
            batch, offsets = _new(batch, offsets, known)
            room = most - rows
            left += max(len(batch) - room, 0)
            if room <= 0:
                continue
            if len(batch) > room:
                batch, offsets = take_rows(batch, np.arange(len(batch)) < room), offsets[:room]
            rows += len(batch)
            found.append((batch, offsets))
    return found, refused, left


def _new(batch: PredictionBatch, offsets: Ints, known: set[bytes]) -> tuple[PredictionBatch, Ints]:
    """Without the rows whose id was seen before."""
    mask = np.zeros(len(batch), np.bool_)
    for row, identity in enumerate(batch.ids.tolist()):
        if identity not in known:
            known.add(identity)
            mask[row] = True
    return (batch, offsets) if mask.all() else (take_rows(batch, mask), offsets[mask])


def _only_one(path: Path, seen: dict[str, set[str]], version: str | None) -> None:
    if len(seen) > 1:
        raise ConfigurationError(f"{path} holds several models ({', '.join(sorted(seen))}): name one")
    ((model, versions),) = seen.items()
    if len(versions) > 1:
        known = ", ".join(repr(each) for each in sorted(versions))
        raise ConfigurationError(f"{path} holds several versions of {model} ({known}): name one")


def _labels(path: Path, model: str) -> tuple[list[GroundTruthBatch], int]:
    found, refused = [], 0
    for batches, unread in _batches(GROUND_TRUTH, path):
        refused += unread
        found += [batch for batch, _ in batches if batch.model == model]
    return [batch for batch in found if isinstance(batch, GroundTruthBatch)], refused


def _errors(
    parts: list[PredictionBatch], labels: list[GroundTruthBatch], names: Names
) -> tuple[Bools, Floats]:
    """Which predictions have a label, and their errors: wrong (1) or not, or absolute errors.

    Of several labels of one id, that of the highest revision counts, of those the first.
    """
    if not labels:
        return np.zeros(sum(map(len, parts)), np.bool_), np.zeros(0)
    fits = [names.fits(batch.label) for batch in labels]
    ids = np.concatenate([batch.ids[fit] for batch, fit in zip(labels, fits, strict=True)])
    truth = np.concatenate([names.labels(b)[fit] for b, fit in zip(labels, fits, strict=True)])
    revision = np.concatenate([b.revision[fit] for b, fit in zip(labels, fits, strict=True)])
    gone = np.concatenate([b.retracted[fit] for b, fit in zip(labels, fits, strict=True)])
    order = np.lexsort((np.arange(len(ids)), -revision, ids))
    ids, truth, gone = ids[order], truth[order], gone[order]
    wanted = np.concatenate([batch.ids for batch in parts])
    predicted = np.concatenate([names.predicted(batch) for batch in parts])
    at = np.minimum(np.searchsorted(ids, wanted), max(len(ids) - 1, 0))
    known = ~np.isnan(predicted) & (ids[at] == wanted) & ~gone[at] & ~np.isnan(truth[at])
    predicted, truth = predicted[known], truth[at][known]
    with np.errstate(over="ignore"):
        errors: Floats = predicted != truth if names.classifies else np.abs(predicted - truth)
    return known, errors.astype(np.float64)


def _estimator(
    parts: list[PredictionBatch],
    known: Bools,
    errors: Floats,
    names: Names,
    definition: MonitorDefinition,
    profile: BaselineProfile,
) -> Estimator | None:
    """What a worker would learn from the labelled ones about predictions whose labels are not known."""
    predicted = np.concatenate([names.predicted(batch) for batch in parts])[known]
    score = np.concatenate([names.scores(batch) for batch in parts])[known]
    time_us = np.concatenate([batch.time_us for batch in parts])[known]
    cells = EstimateBank(definition, 1, 1, 0.5).cells(predicted, score, names, profile)
    usable = 0 if cells is None else int((np.isfinite(errors) & (cells >= 0)).sum())
    if usable < _LEAST_LABELLED:
        return None
    bank = EstimateBank(definition, usable, 1, 0.5)
    bank.update(predicted, score, errors, time_us, 0.0, names, profile)
    return bank.estimator


def _batches(topic: str, path: Path) -> Batches:
    """A file in any of the formats, some thousand rows at a time."""
    source = open_file(topic, path)
    try:
        for block in source.blocks():
            yield block.decoded.batches, block.decoded.refused_rows
    finally:
        source.close()


def _of(model: str | None, version: str | None) -> str:
    named = [model] if model else []
    named += [] if version is None else [f"version {version}"]
    return f" of {' '.join(named)}" if named else ""

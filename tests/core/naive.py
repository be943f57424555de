"""What every window must say, computed the slow way: all raw events kept as rows, scikit-learn, fairlearn.

It shares nothing with the core but the definitions and the contract's events, so that it can serve as an
oracle: for the core alone, and for workers on a real broker.
"""

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import blake2b
from itertools import combinations
from typing import Any
from uuid import UUID

import numpy as np
from fairlearn import metrics as fair
from numpy.typing import NDArray
from scipy.special import logit
from sklearn import metrics as sk

from streamgauge.schemas.batch import Categories, Column, GroundTruthBatch, PredictionBatch
from streamgauge.schemas.monitor import MonitorDefinition

Value = Any  # a text, a number, a ranked list, relevance by item, or None
Segment = tuple[tuple[str, str], ...]
#: Start and end of a window, an hour or a day, in µs.
Span = tuple[int, int]
#: (model, version, segment, span, metric, feature, group)
Key = tuple[str, str, Segment, Span, str, str | None, str | None]
#: The value, None where it is undefined, and the count that it rests on.
Number = tuple[float | None, int]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COUNTERPARTS = {"yes": "no", "true": "false", "1": "0", "positive": "negative", "pos": "neg"}
#: From so many scores on bins come within .002; and scores of so many predictions are told apart.
_MANY, _EXACT = 1_000, 2_000
_HOUR_US, _DAY_US = 3_600_000_000, 86_400_000_000
_SCORED = ("roc_auc", "average_precision", "brier_score", "log_loss", "expected_calibration_error")
_AGREED = ("accuracy", "zero_one_loss", "balanced_accuracy", "matthews_corrcoef", "cohen_kappa",
           "precision", "recall", "f1")  # fmt: skip
_ERRORS = ("mean_absolute_error", "root_mean_squared_error", "r2", "mean_absolute_percentage_error",
           "mean_error")  # fmt: skip
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


@dataclass
class Prediction:
    """One applied prediction, and the label that counts for it now."""

    version: str
    time_us: int
    answer: Value
    failed: bool
    latency_ms: float | None
    score: float | None
    groups: dict[str, str]
    segments: list[Segment]
    beyond: bool
    label: Value = None
    revision: int = -1
    label_us: int = 0
    lag_s: float | None = None
    was_labelled: bool = False

    @property
    def labelled(self) -> bool:
        return self.label is not None and self.answer is not None


@dataclass
class Label:
    """One applied label that no prediction has taken yet."""

    time_us: int
    label: Value
    revision: int
    taken: bool = False


@dataclass
class Model:
    """Everything that one model has sent."""

    definition: MonitorDefinition
    inferred: bool = False
    classifies: bool | None = None
    ranks: bool = False
    pos_label: str | None = None
    now_us: int = -(2**62)
    live: dict[str, set[Segment]] = field(default_factory=dict)
    served_us: dict[str, int] = field(default_factory=dict)
    folded_us: int = -(2**62)
    #: What the windows said that were folded before their labels were complete.
    folded: dict[Key, Number] = field(default_factory=dict)
    predictions: dict[bytes, list[Prediction]] = field(default_factory=dict)
    #: Version and time of each prediction that came again.
    repeats: list[tuple[str, int]] = field(default_factory=list)
    waiting: dict[bytes, list[Label]] = field(default_factory=dict)

    @property
    def watermark_us(self) -> int:
        return self.now_us - self.definition.grace


class Naive:
    """Feed every event in the order in which it was sent, then ask for `metrics`.

    An event is its JSON form as a dict, or a batch. `counts` is the intake ledger, without dead letters:
    events that are refused are not to be fed. Assumes that no column has more values than its vocabulary
    holds, and that time moves by the events alone; a tick is passed on with `tick`.
    """

    def __init__(self, definitions: Iterable[MonitorDefinition] = ()) -> None:
        self.models = {definition.model: _model(definition) for definition in definitions}
        self.counts = dict.fromkeys(("applied", "duplicate", "stale_revision", "late"), 0)
        self.ticked_us = -(2**62)

    def predict(self, event: Mapping[str, Any] | PredictionBatch) -> None:
        """A prediction, or a batch of them."""
        if isinstance(event, PredictionBatch):
            _infer(self._model(event.model), _cells(event.prediction))
            for row_of_batch in prediction_rows(event):
                self.predict(row_of_batch)
            return
        model = self._model(event["model"])
        failed = bool(event.get("error"))
        answer = None if failed else _value(event.get("ranked", event.get("prediction")))
        _infer(model, [answer])
        time_us = _time_us(event["time"])
        watermark_us, definition = model.watermark_us, model.definition
        model.now_us = max(model.now_us, time_us)
        end_us = time_us - time_us % definition.window + definition.window
        if min(end_us + definition.lateness, time_us + definition.labels.ttl) < watermark_us:
            self.counts["late"] += 1
            return
        ident, version = _identity(event["prediction_id"]), event.get("version") or ""
        siblings = [
            p
            for p in model.predictions.setdefault(ident, [])
            if p.time_us + definition.labels.ttl >= watermark_us
        ]
        if any(p.version == version for p in siblings):
            self.counts["duplicate"] += 1
            model.repeats.append((version, time_us))
            return
        self.counts["applied"] += 1
        score = event.get("score")
        if score is None and model.pos_label is not None:
            score = (event.get("scores") or {}).get(model.pos_label)
        if watermark_us - model.served_us.get(version, 0) > max(
            definition.labels.ttl, 12 * definition.window - definition.grace
        ):
            model.live[version] = set()
        model.served_us[version] = max(time_us, model.served_us.get(version, 0))
        segments = list(_segments(model, version, _texts(event.get("segments"))))
        row = Prediction(
            version,
            time_us,
            _typed(model, answer),
            failed,
            event.get("latency_ms"),
            score,
            _protected(definition, _texts(event.get("groups"))),
            [segment for segment, _ in segments],
            any(beyond for _, beyond in segments),
        )
        model.predictions[ident].append(row)
        self._take_early_label(model, ident, row, siblings, watermark_us)

    def label(self, event: Mapping[str, Any] | GroundTruthBatch) -> None:
        """A label, or a batch of them."""
        if isinstance(event, GroundTruthBatch):
            _infer(self._model(event.model), _cells(event.label))
            for row in label_rows(event):
                self.label(row)
            return
        model = self._model(event["model"])
        _fold(event["model"], model)
        ttl_us, watermark_us = model.definition.labels.ttl, model.watermark_us
        retracted = bool(event.get("retracted"))
        value = None if retracted else _value(event.get("relevance", event.get("label")))
        _infer(model, [value])
        value = _typed(model, value)
        ident, time_us = _identity(event["prediction_id"]), _time_us(event["time"])
        revision = event.get("revision") or 0
        near = [
            p
            for p in model.predictions.get(ident, ())
            if p.time_us + ttl_us >= watermark_us and abs(time_us - p.time_us) <= ttl_us
        ]
        waiting = [
            w
            for w in model.waiting.get(ident, ())
            if not w.taken and w.time_us + ttl_us >= watermark_us and not near
        ]
        known = [p.revision for p in near] + [w.revision for w in waiting]
        if revision <= max(known, default=-1):
            self.counts["stale_revision"] += 1
            return
        self.counts["applied"] += 1
        for p in near:
            _assign(p, time_us, value, revision)
        for w in waiting:
            w.taken = True
        if not near:
            model.waiting.setdefault(ident, []).append(Label(time_us, value, revision))

    def tick(self, now_us: int) -> None:
        """The clock: all events up to `now_us` have been fed. A clock that goes back says nothing."""
        if now_us <= self.ticked_us:
            return
        self.ticked_us = now_us
        for model in self.models.values():
            if model.predictions or model.waiting:  # labels alone have a clock too
                model.now_us = max(model.now_us, now_us)

    def metrics(self, *, rollups: bool = True) -> dict[Key, Number]:
        """Every metric of every window, hour, day, version and segment, as if no more events came.

        Without `rollups` windows only: for runs that end before their hours and days are over.
        """
        found: dict[Key, Number] = {}
        for name, model in self.models.items():
            window_us = model.definition.window

            def wanted(span: Span, model: Model = model, window_us: int = window_us) -> bool:
                return not _is_folded(model, span) and (rollups or span[1] - span[0] == window_us)

            found |= _metrics(name, model, wanted)
            found |= {key: n for key, n in model.folded.items() if rollups or _length(key) == window_us}
        return found

    def _model(self, name: str) -> Model:
        if name not in self.models:
            self.models[name] = _model(MonitorDefinition(model=name))
        return self.models[name]

    @staticmethod
    def _take_early_label(
        model: Model, ident: bytes, row: Prediction, siblings: Sequence[Prediction], watermark_us: int
    ) -> None:
        ttl_us = model.definition.labels.ttl
        for sibling in reversed(siblings):
            if sibling.revision >= 0 and abs(sibling.label_us - row.time_us) <= ttl_us:
                _assign(row, sibling.label_us, sibling.label, sibling.revision)
                return
        for w in reversed(model.waiting.get(ident, ())):
            if not w.taken and w.time_us + ttl_us >= watermark_us and abs(w.time_us - row.time_us) <= ttl_us:
                w.taken = True
                _assign(row, w.time_us, w.label, w.revision)
                return


def differences(
    records: Iterable[Mapping[str, Any]], expected: Mapping[Key, Number], *, final: bool = True
) -> list[str]:
    """How published metric records differ from the oracle's; empty if they agree.

    Of each key the highest revision counts, and it must be `final` unless told otherwise. Also told: a key
    and revision that was published twice, and bounds that do not enclose their value.
    """
    found: list[str] = []
    latest: dict[Key, Mapping[str, Any]] = {}
    lengths = {_length(key) for key in expected}
    for record in records:
        if lengths and _length(key_of(record)) not in lengths:  # hours and days, where none are expected
            continue
        if record["feature"] is not None:  # against their baseline: that has tests of its own
            continue
        if record["metric"].endswith("_changes"):  # River's, on the errors in the order in which labels came
            continue
        if record["metric"].startswith("estimated_"):  # they have an oracle of their own
            continue
        key = key_of(record)
        known = latest.get(key)
        if known is not None and known["revision"] == record["revision"]:
            found.append(f"{key}: revision {record['revision']} was published twice")
        if known is None or known["revision"] < record["revision"]:
            latest[key] = record
    found += [f"{key}: missing; it is {expected[key]}" for key in expected.keys() - latest.keys()]
    for key, record in latest.items():
        if key not in expected:
            if record["class"] is not None and record["value"] is None and record["n"] == 0:
                continue  # told before a correction, and taken back
            found.append(f"{key}: {record['value']} was published, but nothing calls for it")
            continue
        value, n = expected[key]
        if not agrees(key[4], record["value"], value, n) or record["n"] != n:
            found.append(f"{key}: {record['value']} of {record['n']}; it is {value} of {n}")
        if final and record["status"] != "final":
            found.append(f"{key}: {record['status']}, not final")
        low, high = record["low"], record["high"]
        if (record["value"] is None and (low, high) != (None, None)) or not _encloses(record):
            found.append(f"{key}: {record['value']} in [{low}, {high}]")
    return found


def _length(key: Key) -> int:
    return key[3][1] - key[3][0]


def key_of(record: Mapping[str, Any]) -> Key:
    """The oracle's key of a metric record in its JSON form."""
    return (
        record["model"],
        record["version"],
        tuple(sorted(record["segment"].items())),
        (_time_us(record["window"]["start"]), _time_us(record["window"]["end"])),
        record["metric"],
        record["feature"],
        record["group"] or record["class"],
    )


def agrees(metric: str, found: float | None, expected: float | None, n: int) -> bool:
    """To 1e-9; quantiles of histograms to 1 %; what ranks 1,000 scores or more, maybe in bins, to .002."""
    if found is None or expected is None:
        return found is expected
    if metric.startswith(("latency_", "label_lag_")):
        return math.isclose(found, expected, rel_tol=0.0101, abs_tol=1e-6)
    if metric in ("roc_auc", "average_precision") and n >= _MANY:
        return math.isclose(found, expected, abs_tol=0.002)
    return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-9)


def _encloses(record: Mapping[str, Any]) -> bool:
    value, low, high = record["value"], record["low"], record["high"]
    if value is None:
        return True
    slack = 0.02 * abs(value) if record["metric"].startswith(("latency_", "label_lag_")) else 1e-12
    return (low is None or low <= value + slack) and (high is None or value - slack <= high)


def _segments(model: Model, version: str, values: Mapping[str, str]) -> Iterator[tuple[Segment, bool]]:
    """Each key by itself, then the pairs; whether so many were there before that it counts as other."""
    asked, live = model.definition.segments, model.live.setdefault(version, set())
    for keys in (*((key,) for key in sorted(values)), *asked.pairs):
        if not all(key in values for key in keys):
            continue
        segment = tuple((key, values[key]) for key in keys)
        if segment not in live and len(live) < asked.max:
            live.add(segment)
        beyond = segment not in live
        yield tuple((key, "other") for key in keys) if beyond else segment, beyond


def _metrics(name: str, model: Model, wanted: Callable[[Span], bool]) -> dict[Key, Number]:
    found: dict[Key, Number] = {}
    spans: dict[tuple[str, Span, Segment], list[Prediction]] = {}
    for p in (p for rows in model.predictions.values() for p in rows):
        for span in filter(wanted, _spans(model.definition.window, p.time_us)):
            for segment in ((), *p.segments):
                spans.setdefault((p.version, span, segment), []).append(p)
    repeats: dict[tuple[str, Span], int] = {}
    for version, time_us in model.repeats:
        for span in filter(wanted, _spans(model.definition.window, time_us)):
            repeats[version, span] = repeats.get((version, span), 0) + 1
            spans.setdefault((version, span, ()), [])
    for (version, span, segment), rows in spans.items():
        for metric, number in _measure(model, rows, (span[1] - span[0]) / 1e6):
            found[name, version, segment, span, metric, None, None] = number
        if segment == () and model.classifies and model.pos_label is None:
            for of_class, metric, number in _of_classes(rows):
                found[name, version, segment, span, metric, None, of_class] = number
        if not segment:
            again = repeats.get((version, span), 0)
            number = _share(again, again + len(rows))
            found[name, version, segment, span, "duplicate_rate", None, None] = number
            if any(p.segments for p in rows):
                number = _share(sum(p.beyond for p in rows), len(rows))
                found[name, version, segment, span, "segment_overflow_rate", None, None] = number
            for attribute, metric, number in _fairness(model, rows):
                found[name, version, segment, span, metric, None, attribute] = number
    return found


def _spans(window_us: int, time_us: int) -> Iterator[Span]:
    """The window, and the hour and the day that are made of whole windows."""
    for length in (window_us, _HOUR_US, _DAY_US):
        if length == window_us or (length > window_us and length % window_us == 0):
            start_us = time_us - time_us % length
            yield start_us, start_us + length


def _is_folded(model: Model, span: Span) -> bool:
    return span[1] - span[0] == model.definition.window and span[1] < model.folded_us


def _fold(name: str, model: Model) -> None:
    """Windows older than a day, in fifths of a window: labels that come from now on restate the hour only."""
    definition, watermark_us = model.definition, model.watermark_us
    keeps_us = max(definition.lateness, _DAY_US)
    if definition.labels.ttl <= keeps_us or len(list(_spans(definition.window, 0))) == 1:
        return
    before_us = model.folded_us
    model.folded_us = max(before_us, watermark_us - watermark_us % (definition.window // 5) - keeps_us)
    if model.folded_us > before_us:
        model.folded |= _metrics(name, model, lambda span: _is_folded(model, span) and span[1] >= before_us)


def _measure(model: Model, rows: Sequence[Prediction], seconds: float) -> Iterator[tuple[str, Number]]:
    n, failed = len(rows), sum(p.failed for p in rows)
    yield "throughput_per_s", (n / seconds, n)
    yield "failure_rate", _share(failed, n)
    latencies = [p.latency_ms for p in rows if p.latency_ms is not None]
    for name, q in _QUANTILES.items():
        yield f"latency_{name}_ms", (_quantile(latencies, q), len(latencies))
    pairs = [p for p in rows if p.labelled]
    yield "label_coverage", _share(len(pairs), n - failed)
    if not any(p.was_labelled for p in rows):
        return
    lags = [p.lag_s for p in rows if p.lag_s is not None and p.answer is not None]
    yield "label_lag_p50_s", (_quantile(lags, 0.5), len(lags))
    if model.classifies:
        yield from _classification(model, pairs)
        scored = [(p.score, p.label == model.pos_label) for p in pairs if p.score is not None]
        if model.pos_label is not None and any(p.was_labelled and p.score is not None for p in rows):
            yield from _scores(scored, n)
    elif model.ranks:
        yield from _ranking(model, pairs)
    else:
        yield from _regression(pairs)
    for name, metric in model.definition.metrics.items():
        value = _OWN[metric.metric](model, pairs, metric.params) if pairs else None
        yield name, (value, len(pairs))


def _classification(model: Model, pairs: Sequence[Prediction]) -> Iterator[tuple[str, Number]]:
    n = len(pairs)
    if n == 0:
        averages = () if model.pos_label is not None else ("precision", "recall", "f1")
        yield from ((metric, (None, 0)) for metric in (*_AGREED, *(f"{name}_weighted" for name in averages)))
        return
    true, predicted = [p.label for p in pairs], [p.answer for p in pairs]
    yield "accuracy", (_quiet(sk.accuracy_score, true, predicted), n)
    yield "zero_one_loss", (_quiet(sk.zero_one_loss, true, predicted), n)
    yield "balanced_accuracy", (_quiet(sk.balanced_accuracy_score, true, predicted), n)
    varied = len(set(true)) > 1 and len(set(predicted)) > 1
    yield "matthews_corrcoef", (_quiet(sk.matthews_corrcoef, true, predicted) if varied else None, n)
    yield "cohen_kappa", (_quiet(sk.cohen_kappa_score, true, predicted) if varied else None, n)
    positive = model.pos_label
    if positive is None:
        classes = set(true) | set(predicted)
        precision, recall, f1, _ = _quiet(
            sk.precision_recall_fscore_support, true, predicted, average="macro", zero_division=0.0
        )
        yield "precision", (precision if classes == set(predicted) else None, n)
        yield "recall", (recall if classes == set(true) else None, n)
        yield "f1", (f1, n)
        precision, recall, f1, _ = _quiet(
            sk.precision_recall_fscore_support, true, predicted, average="weighted", zero_division=0.0
        )
        yield "precision_weighted", (precision if set(true) <= set(predicted) else None, n)
        yield "recall_weighted", (recall, n)
        yield "f1_weighted", (f1, n)
        return
    precision, recall, f1, _ = (
        column[0]
        for column in _quiet(
            sk.precision_recall_fscore_support, true, predicted, labels=[positive], zero_division=0.0
        )
    )
    chosen, actual = predicted.count(positive), true.count(positive)
    either = sum(positive in pair for pair in zip(true, predicted, strict=True))
    yield "precision", (precision if chosen else None, chosen)
    yield "recall", (recall if actual else None, actual)
    yield "f1", (f1 if either else None, either)


def _of_classes(rows: Sequence[Prediction]) -> Iterator[tuple[str, str, Number]]:
    """(class, metric, number): each class against the rest."""
    pairs = [p for p in rows if p.labelled]
    true, predicted = [p.label for p in pairs], [p.answer for p in pairs]
    for name in sorted(set(true) | set(predicted), key=lambda name: (-true.count(name), name))[:20]:
        chosen, actual = predicted.count(name), true.count(name)
        either = sum(name in pair for pair in zip(true, predicted, strict=True))
        precision, recall, f1, _ = (
            column[0]
            for column in _quiet(
                sk.precision_recall_fscore_support, true, predicted, labels=[name], zero_division=0.0
            )
        )
        yield name, "class_precision", (precision if chosen else None, chosen)
        yield name, "class_recall", (recall if actual else None, actual)
        yield name, "class_f1", (f1, either)


def _scores(scored: Sequence[tuple[float, bool]], predictions: int) -> Iterator[tuple[str, Number]]:
    n = len(scored)
    if n == 0:
        for metric in _SCORED:
            yield metric, (None, 0)
        return
    score, outcome = np.array([s for s, _ in scored]), np.array([o for _, o in scored])
    ranked = score if predictions <= _EXACT or n >= _MANY else _binned(score)
    both = 0 < outcome.sum() < n
    yield "roc_auc", (float(sk.roc_auc_score(outcome, ranked)) if both else None, n)
    yield "average_precision", (float(sk.average_precision_score(outcome, ranked)) if both else None, n)
    yield "brier_score", (float(sk.brier_score_loss(outcome, score, pos_label=True)), n)
    yield "log_loss", (float(sk.log_loss(outcome, score, labels=[False, True])), n)
    tenth = np.minimum(score * 10, 9).astype(int)
    gaps = [abs(outcome[tenth == b].sum() - score[tenth == b].sum()) for b in range(10)]
    yield "expected_calibration_error", (float(sum(gaps)) / n, n)


def _binned(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Among few labelled scores one tie weighs more than .002, so ties are made where the core makes them."""
    limit, bins = math.log(1e6), 2048
    odds = np.clip(logit(score), -limit, limit)
    return np.floor((odds + limit) / (2 * limit) * (bins - 1) + 0.5)


def _regression(pairs: Sequence[Prediction]) -> Iterator[tuple[str, Number]]:
    n = len(pairs)
    if n == 0:
        yield from ((metric, (None, 0)) for metric in _ERRORS)
        return
    true, predicted = np.array([p.label for p in pairs]), np.array([p.answer for p in pairs])
    yield "mean_absolute_error", (float(sk.mean_absolute_error(true, predicted)), n)
    yield "root_mean_squared_error", (float(sk.root_mean_squared_error(true, predicted)), n)
    varied = len(set(true.tolist())) > 1
    yield "r2", (float(sk.r2_score(true, predicted)) if varied else None, n)
    percentage = float(sk.mean_absolute_percentage_error(true, predicted)) if true.all() else None
    yield "mean_absolute_percentage_error", (percentage, n)
    yield "mean_error", (float((predicted - true).mean()), n)


def _ranking(model: Model, pairs: Sequence[Prediction]) -> Iterator[tuple[str, Number]]:
    n, asked = len(pairs), model.definition.ranking
    rankings = []
    for p in pairs:
        grades = dict.fromkeys(p.label, 1.0) if isinstance(p.label, list) else p.label
        rankings.append((p.answer[: asked.depth], grades))
    for k in asked.k:
        yield f"ndcg_at_{k}", (_mean([_ndcg(ranked, grades, k) for ranked, grades in rankings]), n)
        hits = [any(grades.get(item, 0) > 0 for item in ranked[:k]) for ranked, grades in rankings]
        yield f"hit_rate_at_{k}", (_mean(hits), n)
    ranks = [
        next((1 / rank for rank, item in enumerate(ranked, 1) if grades.get(item, 0) > 0), 0.0)
        for ranked, grades in rankings
    ]
    yield "mrr", (_mean(ranks), n)


def _ndcg(ranked: Sequence[str], grades: Mapping[str, float], k: int) -> float:
    """scikit-learn scores all items there are: those not ranked come last, after k worthless ones."""
    items = [*ranked, *(object() for _ in range(k + 1)), *(item for item in grades if item not in ranked)]
    true = [grades.get(item, 0.0) for item in items]  # type: ignore[call-overload]
    return float(sk.ndcg_score([true], [range(len(items), 0, -1)], k=k))


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _fbeta(model: Model, pairs: Sequence[Prediction], params: Mapping[str, Any]) -> float | None:
    if model.pos_label is None:
        return None
    true, predicted = ([side == model.pos_label for side in column] for column in _columns(pairs))
    return float(_quiet(sk.fbeta_score, true, predicted, zero_division=0.0, **params))


def _weighted_f1(model: Model, pairs: Sequence[Prediction], params: Mapping[str, Any]) -> float | None:
    return float(_quiet(sk.f1_score, *_columns(pairs), average="weighted", zero_division=0.0))


def _smape(model: Model, pairs: Sequence[Prediction], params: Mapping[str, Any]) -> float | None:
    true, predicted = map(np.array, _columns(pairs))
    size = abs(true) + abs(predicted)
    return float(200 * np.mean(np.where(size > 0, abs(true - predicted), 0) / np.where(size > 0, size, 1)))


def _columns(pairs: Sequence[Prediction]) -> tuple[list[Any], list[Any]]:
    return [p.label for p in pairs], [p.answer for p in pairs]


#: Metrics that definitions add, by the import path that they name.
_OWN = {
    "river.metrics.FBeta": _fbeta,
    "river.metrics.WeightedF1": _weighted_f1,
    "river.metrics.SMAPE": _smape,
}


def _fairness(model: Model, rows: Sequence[Prediction]) -> Iterator[tuple[str, str, Number]]:
    """(attribute, metric, number) for each protected attribute that an answered prediction names."""
    positive = model.pos_label
    if positive is None or not model.classifies:
        return
    min_n = max(model.definition.fairness.min_n, 1)
    for attribute in sorted({attribute for p in rows for attribute in p.groups}):
        known = [p for p in rows if attribute in p.groups and p.answer is not None]
        if not known:
            continue
        for group in {p.groups[attribute] for p in known}:
            answers = [p.answer == positive for p in known if p.groups[attribute] == group]
            rate = sum(answers) / len(answers) if len(answers) >= min_n else None
            yield f"{attribute}={group}", "selection_rate", (rate, len(answers))
        compare = partial(_compare, attribute, min_n)
        selection = partial(_frame, fair.selection_rate, positive)
        yield attribute, "demographic_parity_difference", compare(known, selection, "difference")
        yield attribute, "demographic_parity_ratio", compare(known, selection, "ratio")
        if not any(p.was_labelled for p in rows):
            continue
        pairs = [p for p in known if p.labelled]
        for group in {p.groups[attribute] for p in known}:
            for metric, number in _rates([p for p in pairs if p.groups[attribute] == group], positive, min_n):
                yield f"{attribute}={group}", metric, number
        tpr = compare(
            [p for p in pairs if p.label == positive],
            partial(_frame, fair.true_positive_rate, positive),
            "difference",
        )
        fpr = compare(
            [p for p in pairs if p.label != positive],
            partial(_frame, fair.false_positive_rate, positive),
            "difference",
        )
        ppv = compare(
            [p for p in pairs if p.answer == positive],
            partial(_frame, sk.precision_score, positive),
            "difference",
        )
        odds = None if tpr[0] is None or fpr[0] is None else max(tpr[0], fpr[0])
        yield attribute, "equalized_odds_difference", (odds, tpr[1] + fpr[1])
        yield attribute, "equal_opportunity_difference", tpr
        yield attribute, "false_positive_rate_difference", fpr
        yield attribute, "predictive_parity_difference", ppv


def _rates(pairs: Sequence[Prediction], positive: str, min_n: int) -> Iterator[tuple[str, Number]]:
    """(metric, number) of the labelled predictions of one group."""
    chosen = [p for p in pairs if p.answer == positive]
    for metric, among, hits in (
        ("true_positive_rate", [p for p in pairs if p.label == positive], chosen),
        ("false_positive_rate", [p for p in pairs if p.label != positive], chosen),
        ("precision", chosen, [p for p in pairs if p.label == positive]),
    ):
        k = len({id(p) for p in among} & {id(p) for p in hits})
        yield metric, (k / len(among) if len(among) >= min_n else None, len(among))


def _compare(
    attribute: str,
    min_n: int,
    rows: Sequence[Prediction],
    frame: Callable[[Sequence[Prediction], str], Any],
    contrast: str,
) -> Number:
    """Over the groups of at least `min_n` rows; `n` counts their rows."""
    sizes: dict[str, int] = {}
    for p in rows:
        sizes[p.groups[attribute]] = sizes.get(p.groups[attribute], 0) + 1
    compared = [p for p in rows if sizes[p.groups[attribute]] >= min_n]
    if len({p.groups[attribute] for p in compared}) < 2:
        return None, len(compared)
    by_group = frame(compared, attribute)
    if contrast == "ratio" and by_group.by_group.max() == 0:
        return None, len(compared)
    return float(_quiet(getattr(by_group, contrast))), len(compared)


def _frame(metric: Callable[..., float], positive: str, rows: Sequence[Prediction], attribute: str) -> Any:
    # All rows of a rate share the side it is conditioned on, so fairlearn is told both outcomes as 0 and 1.
    return _quiet(
        fair.MetricFrame,
        metrics=metric,
        y_true=[int(p.label == positive) for p in rows],
        y_pred=[int(p.answer == positive) for p in rows],
        sensitive_features=[p.groups[attribute] for p in rows],
    )


def _share(count: int, n: int) -> Number:
    return (count / n, n) if n else (None, 0)


def _quantile(values: Sequence[float], q: float) -> float | None:
    """The lower order statistic."""
    return sorted(values)[math.floor(q * (len(values) - 1))] if values else None


def _quiet(metric: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Warnings of undefined parts are no news here: what is undefined is decided above."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return metric(*args, **kwargs)


def _model(definition: MonitorDefinition) -> Model:
    classifies = None if definition.task is None else definition.task not in ("regression", "ranking")
    ranks = definition.task == "ranking"
    return Model(definition, classifies=classifies, ranks=ranks, pos_label=definition.pos_label)


def _infer(model: Model, values: Iterable[Any]) -> None:
    """The first message with a value says what the model predicts, unless its definition does."""
    known = [value for value in map(_value, values) if value is not None]
    if not known or model.inferred:
        return
    model.inferred = True
    task = model.definition.task
    if task is None:
        if isinstance(known[0], list | dict):
            task = "ranking"
        elif isinstance(known[0], str):
            task = "binary" if len(set(known)) <= 2 else "multiclass"
        else:
            task = "binary" if set(known) <= {0.0, 1.0} else "regression"
        model.classifies, model.ranks = task not in ("regression", "ranking"), task == "ranking"
    if task == "binary" and model.pos_label is None:
        names = ["1"] if isinstance(known[0], float) else dict.fromkeys(known)
        model.pos_label = next(filter(None, map(_positive, names)), None)


def _positive(name: str) -> str | None:
    """The positive one of a usual pair, in the case in which the first of the two was written."""
    for yes, no in _COUNTERPARTS.items():
        if name.lower() == yes:
            return name
        if name.lower() == no:
            return yes.upper() if name.isupper() else yes.title() if name.istitle() else yes
    return None


def _typed(model: Model, value: Value) -> Value:
    if value is None or model.classifies is None:
        return value
    if model.ranks:
        return value if isinstance(value, list | dict) else None
    if model.classifies:
        return _class(value)
    return value if isinstance(value, float) else None


def _class(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return str(int(value)) if value.is_integer() else repr(value)


def _assign(p: Prediction, time_us: int, label: Value, revision: int) -> None:
    p.lag_s = None if label is None else max(time_us - p.time_us, 0) / 1e6
    p.label, p.revision, p.label_us = label, revision, time_us
    p.was_labelled |= p.labelled


def _value(value: Any) -> Value:
    if isinstance(value, bool):
        return str(value).lower()
    return float(value) if isinstance(value, int | float) else value


def _texts(entries: Mapping[str, Any] | None) -> dict[str, str]:
    return {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in (entries or {}).items()
        if value is not None
    }


def _protected(definition: MonitorDefinition, groups: dict[str, str]) -> dict[str, str]:
    """The attributes that are watched, and their combinations if those are asked for."""
    declared = definition.fairness.groups
    watched = {key: value for key, value in groups.items() if declared is None or key in declared}
    found = dict(watched)
    if definition.fairness.intersections:
        for size in range(2, len(watched) + 1):
            for keys in combinations(sorted(watched), size):
                found.setdefault(" & ".join(keys), " & ".join(watched[key] for key in keys))
    return found


def _time_us(time: str | int) -> int:
    if isinstance(time, int):
        return time
    return (datetime.fromisoformat(time) - _EPOCH) // timedelta(microseconds=1)


def _identity(prediction_id: str | bytes) -> bytes:
    if isinstance(prediction_id, bytes):
        return prediction_id
    try:
        if len(prediction_id) == 36:
            return UUID(prediction_id).bytes
    except ValueError:
        pass
    return blake2b(prediction_id.encode(), digest_size=16).digest()


def prediction_rows(batch: PredictionBatch) -> Iterator[dict[str, Any]]:
    """Its events; an id is the 16 bytes of it."""
    ids = batch.ids.tobytes()
    columns = {
        "time": batch.time_us.tolist(),
        "prediction": _cells(batch.prediction),
        "latency_ms": _cells(batch.latency_ms),
        "score": _cells(batch.score),
        "error": [("failed" if failed else None) for failed in batch.failed.tolist()],
    }
    maps = {
        name: {key: _cells(column) for key, column in getattr(batch, name).items()}
        for name in ("features", "groups", "segments", "scores")
    }
    for i in range(len(batch)):
        yield {
            "prediction_id": ids[16 * i : 16 * i + 16],
            "model": batch.model,
            "version": batch.version,
            **{name: column[i] for name, column in columns.items()},
            **{name: {key: column[i] for key, column in of.items()} for name, of in maps.items()},
        }


def label_rows(batch: GroundTruthBatch) -> Iterator[dict[str, Any]]:
    ids, label = batch.ids.tobytes(), _cells(batch.label)
    for i in range(len(batch)):
        yield {
            "prediction_id": ids[16 * i : 16 * i + 16],
            "model": batch.model,
            "time": int(batch.time_us[i]),
            "label": label[i],
            "revision": int(batch.revision[i]),
            "retracted": bool(batch.retracted[i]),
        }


def _cells(column: Column) -> list[Any]:
    if isinstance(column, Categories):
        return column.to_list()
    return [None if math.isnan(cell) else cell for cell in column.tolist()]

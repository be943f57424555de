"""The prediction logger as a serving app sees it, through the sink in memory."""

import asyncio
import logging
import subprocess
import sys
import threading
from datetime import UTC, datetime
from time import time_ns
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.clients.logger import PredictionLogger
from streamgauge.clients.sinks import MemorySink
from streamgauge.schemas.batch import Categories, Column
from streamgauge.schemas.encode import encode_ground_truth_batch, encode_prediction_batch
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.ids import identity
from streamgauge.schemas.message import GROUND_TRUTH, METRICS, PREDICTIONS, Message
from streamgauge.streams.core.partition import CoreSettings, Partition
from tests.examples import examples


def make(sink: Any, **settings: Any) -> PredictionLogger:
    return PredictionLogger("credit", "7", sink=sink, environ={}, **settings)


def ids_of(batch: Any) -> list[bytes]:
    raw = batch.ids.tobytes()
    return [raw[i : i + 16] for i in range(0, len(raw), 16)]


def as_list(column: Column) -> list[Any]:
    return column.to_list() if isinstance(column, Categories) else column.tolist()


def test_a_prediction_arrives_with_everything_that_was_said_about_it() -> None:
    sink = MemorySink()
    with make(sink) as logger:
        logger.predict(
            "approved",
            {"age": 41, "job": "clerk", "balance": None},
            groups={"sex": "f"},
            segments={"country": "NO"},
            score=0.83,
            scores={"approved": 0.83, "rejected": 0.17},
            latency_ms=12.5,
            prediction_id="order-17",
            time="2026-11-21T10:00:00.123456Z",
        )
    (batch,) = sink.predictions
    assert (batch.model, batch.version, len(batch)) == ("credit", "7", 1)
    assert ids_of(batch) == [identity("order-17")]
    assert batch.time_us.tolist() == [1795255200123456]
    assert batch.prediction.to_list() == ["approved"]
    assert batch.features["age"].tolist() == [41.0]
    assert batch.features["job"].to_list() == ["clerk"]
    assert np.isnan(batch.features["balance"]).all()
    assert batch.groups["sex"].to_list() == ["f"]
    assert batch.segments["country"].to_list() == ["NO"]
    assert (batch.score[0], batch.scores["rejected"][0], batch.latency_ms[0]) == (0.83, 0.17, 12.5)
    assert not batch.failed[0]


def test_an_id_is_made_for_the_caller_and_is_a_uuid7_of_now() -> None:
    sink = MemorySink()
    before_ms = time_ns() // 1_000_000
    with make(sink) as logger:
        made = UUID(logger.predict("yes"))
    assert made.version == 7
    assert before_ms <= made.int >> 80 <= time_ns() // 1_000_000
    assert ids_of(sink.predictions[0]) == [made.bytes]


def test_a_failed_request_has_no_prediction() -> None:
    sink = MemorySink()
    with make(sink) as logger:
        logger.predict("ignored", error=TimeoutError("no answer"))
        logger.predict("yes")
    (batch,) = sink.predictions
    assert batch.failed.tolist() == [True, False]
    assert batch.prediction.to_list() == [None, "yes"]


def test_a_model_that_answers_nan_has_failed() -> None:
    sink = MemorySink()
    with make(sink, task="regression") as logger:
        for value in (1.5, float("nan"), np.float32("inf")):
            logger.predict(value)
    (batch,) = sink.predictions
    assert batch.failed.tolist() == [False, True, True]


def test_numpy_scalars_are_accepted_everywhere() -> None:
    sink = MemorySink()
    with make(sink) as logger:
        id_ = logger.predict(
            np.int64(1),
            {"a": np.float32(0.5), "b": np.int8(3), "c": np.bool_(True), "d": np.str_("x")},
            groups={"band": np.int64(2)},
            score=np.float64(0.5),
            latency_ms=np.float32(2),
            time=np.int64(1795255200000000),
        )
        logger.ground_truth(id_, np.int64(1), revision=np.int32(2))
    (batch,) = sink.predictions
    assert batch.prediction.to_list() == ["1"]
    assert {name: as_list(column) for name, column in batch.features.items()} == {
        "a": [0.5],
        "b": [3.0],
        "c": ["true"],
        "d": ["x"],
    }
    assert batch.groups["band"].to_list() == ["2"]
    assert sink.ground_truth[0].label.tolist() == [1.0]
    assert sink.ground_truth[0].revision.tolist() == [2]
    assert logger.stats().invalid == 0


def test_without_a_task_floats_are_numbers_and_whole_predictions_classes_until_then() -> None:
    sink = MemorySink()
    logger = make(sink)
    for value in (1, 1.5, 2, "yes", 3):
        logger.predict(value)
        logger.flush()
    logger.close()
    assert [as_list(batch.prediction) for batch in sink.predictions] == [["1"], [1.5], [2.0], ["yes"], [3.0]]


@pytest.mark.parametrize(
    ("task", "label", "column"),
    [
        (None, True, ["true"]),
        (None, np.bool_(False), ["false"]),
        (None, "rejected", ["rejected"]),
        (None, 1, [1.0]),  # a class or a number: the prediction that it belongs to says which
        (None, 1.0, [1.0]),
        ("binary", 1, ["1"]),
        ("binary", 1.0, ["1"]),
        ("regression", 1, [1.0]),
    ],
)
def test_labels_are_columns_of_their_tasks_kind(task: Any, label: Any, column: list[Any]) -> None:
    sink = MemorySink()
    with make(sink, task=task) as logger:
        logger.ground_truth("a", label)
    assert as_list(sink.ground_truth[0].label) == column


@pytest.mark.parametrize(
    ("predictions", "labels", "metric", "value", "labels_first"),
    [
        ([0, 1, 1, 0], [0, 1, 0, 0], "accuracy", 0.75, False),
        ([0, 1, 1, 0], [0, 1, 0, 0], "accuracy", 0.75, True),
        # the other way round nobody could know that 2.0 is a class; a definition's task would say it
        ([0, 1, 2, 0], [0.0, 1.0, 2.0, 1.0], "accuracy", 0.75, False),
        ([True, False], [True, True], "accuracy", 0.5, False),
        ([True, False], [True, True], "accuracy", 0.5, True),
        (["a", "b"], ["a", "b"], "accuracy", 1.0, False),
        (["a", "b"], ["a", "b"], "accuracy", 1.0, True),
        ([0.5, 2.5], [1, 2], "mean_error", 0.0, False),
        ([0.5, 2.5], [1, 2], "mean_error", 0.0, True),
    ],
    ids=str,
)
def test_what_is_logged_is_understood_by_the_core(
    predictions: list[Any], labels: list[Any], metric: str, value: float, labels_first: bool
) -> None:
    start_us = 1795255200000000
    predicted, labelled, later = MemorySink(), MemorySink(), MemorySink()
    with make(predicted) as here, make(labelled) as there:
        for i, (prediction, label) in enumerate(zip(predictions * 50, labels * 50, strict=True)):
            there.ground_truth(here.predict(prediction, time=start_us + i), label, time=start_us + i)
    with make(later) as here:
        here.predict(predictions[0], time=start_us + 3_600_000_000)
    messages = [
        Message(PREDICTIONS, 0, start_us, b"credit", encode_prediction_batch(predicted.predictions[0])),
        Message(GROUND_TRUTH, 0, start_us, b"credit", encode_ground_truth_batch(labelled.ground_truth[0])),
    ]
    closing = Message(PREDICTIONS, 1, start_us, b"credit", encode_prediction_batch(later.predictions[0]))
    partition = Partition(0, CoreSettings(clock="events"))
    for message in [*(reversed(messages) if labels_first else messages), closing]:
        partition.apply([message])
    found = [
        output.record["value"]
        for output in partition.checkpoint().outputs
        if output.topic == METRICS and output.record["metric"] == metric
    ]
    assert found[:1] == [pytest.approx(value)]


def test_a_retraction_needs_no_label() -> None:
    sink = MemorySink()
    with make(sink) as logger:
        logger.ground_truth("a", None, revision=1, retracted=True)
        logger.ground_truth("b", None)
    (batch,) = sink.ground_truth
    assert batch.retracted.tolist() == [True]
    assert logger.stats().invalid == 1


def test_a_batch_goes_when_it_is_full() -> None:
    sink = MemorySink()
    logger = make(sink, batch_events=100, linger_ms=60_000)
    for _ in range(300):
        logger.predict("yes")
    wait_until(lambda: sum(map(len, sink.predictions)) == 300)
    assert max(map(len, sink.predictions)) == 100
    logger.close()


def test_a_batch_goes_when_it_is_old() -> None:
    sink = MemorySink()
    logger = make(sink, linger_ms=5)
    logger.predict("yes")
    wait_until(lambda: len(sink.predictions) == 1)
    logger.close()


def test_a_full_queue_drops_the_oldest_and_the_next_batch_says_how_many(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = MemorySink()
    logger = make(sink, batch_events=10, queue_events=10, linger_ms=60_000)
    with Held(logger), caplog.at_level(logging.WARNING, "streamgauge.clients"):
        ids = [logger.predict("yes") for _ in range(25)]
    logger.flush()
    logger.predict("no")
    logger.close()
    assert [id_ for batch in sink.predictions for id_ in ids_of(batch)][:10] == [
        UUID(i).bytes for i in ids[15:]
    ]
    assert sum(batch.dropped for batch in sink.predictions) == 15
    assert logger.stats().dropped == 15
    assert len([r for r in caplog.records if "queue" in r.getMessage()]) == 1


def test_an_event_that_cannot_be_used_leaves_the_rest_of_its_batch_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = MemorySink()
    with make(sink, linger_ms=60_000) as logger:
        for i in range(50):
            logger.predict("yes", {"x": complex(1, 2) if i % 10 == 3 else i})
    assert sum(map(len, sink.predictions)) == 45
    assert logger.stats().invalid == 5
    assert len([r for r in caplog.records if "cannot be used" in r.getMessage()]) == 1


def test_each_kind_of_what_cannot_be_used_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with make(MemorySink()) as logger:
        for _ in range(3):
            logger.predict("yes", [1, 2])  # type: ignore[arg-type]
            logger.predict("yes", {"age": 4}, score=1.5)
            logger.predict()
    assert [record.getMessage().split("left out: ")[1].split(" (")[0] for record in caplog.records] == [
        "features is a list, not a mapping of names to values",
        "a score is outside 0 to 1",
        "the prediction or label is missing",
    ]


def test_numbers_and_texts_of_one_feature_go_in_batches_of_their_own() -> None:
    sink = MemorySink()
    with make(sink, linger_ms=60_000) as logger:
        for value in (1, "n/a", 2.5, None, True, "n/a"):
            logger.predict("yes", {"x": value, "y": 0})
    assert [len(batch) for batch in sink.predictions] == [3, 3]
    assert as_list(sink.predictions[0].features["x"]) == ["n/a", "true", "n/a"]
    assert as_list(sink.predictions[1].features["x"])[:2] == [1.0, 2.5]


def test_what_was_left_out_is_reported_with_a_later_batch() -> None:
    sink = MemorySink()
    with make(sink) as logger:
        logger.predict("yes", latency_ms=-1)
        logger.flush()
        logger.predict("yes")
    assert [batch.dropped for batch in sink.predictions] == [1]


BAD = [
    {"latency_ms": -1},
    {"latency_ms": "fast"},
    {"latency_ms": float("inf")},
    {"score": 1.5},
    {"scores": {"a": 2.0}},
    {"time": 3.5},
    {"time": "yesterday"},
    {"time": datetime(2026, 11, 21)},
    {"time": 1},
    {"features": [1, 2]},
    {"features": {"x": [1]}},
    {"features": {3: 1}},
    {"features": {"x": 10**400}},
    {"features": {"x": "y" * 2000}},
    {"features": {f"f{i}": 1 for i in range(1001)}},
    {"groups": {"sex": object()}},
    {"prediction_id": ""},
    {"prediction_id": "x" * 300},
    {"prediction_id": object()},
]


@pytest.mark.parametrize("arguments", BAD, ids=lambda bad: "-".join(bad))
def test_bad_arguments_are_counted_not_raised(arguments: dict[str, Any]) -> None:
    sink = MemorySink()
    with make(sink) as logger:
        logger.predict("yes", **arguments)
    assert sink.predictions == []
    assert logger.stats().invalid == 1


class Hostile:
    """Raises whatever is asked of it."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def _refuse(self, *_: Any) -> Any:
        raise RuntimeError

    __bool__ = __float__ = __int__ = __str__ = __repr__ = __iter__ = __len__ = __eq__ = __hash__ = _refuse  # type: ignore[assignment]
    keys = __getitem__ = __ne__ = __lt__ = __format__ = __index__ = _refuse  # type: ignore[assignment]


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.complex_numbers(),
    st.builds(object), st.builds(Hostile), st.lists(st.integers(), max_size=2), st.datetimes(), st.uuids(),
    st.decimals(), st.just(np.float32(1)), st.just(np.array([1.0, 2.0])), st.just(np.datetime64("NaT")),
)  # fmt: skip
mappings = st.one_of(
    scalars, st.dictionaries(st.one_of(st.text(), st.integers(), st.none()), scalars, max_size=3)
)


@given(
    calls=st.lists(
        st.fixed_dictionaries(
            {"prediction": scalars},
            optional={
                **dict.fromkeys(["features", "groups", "segments", "scores"], mappings),
                **dict.fromkeys(["score", "latency_ms", "prediction_id", "time", "error"], scalars),
            },
        ),
        min_size=1,
        max_size=5,
    ),
    labels=st.lists(st.tuples(scalars, scalars, scalars, scalars), max_size=5),
)
@examples(150)
def test_no_argument_raises_and_every_event_is_accounted_for(
    calls: list[dict[str, Any]], labels: list[Any]
) -> None:
    sink = MemorySink()
    logger = make(sink, hashed=["a"], hash_key=b"k" * 16)
    for call in calls:
        assert isinstance(logger.predict(**call), str)
    for id_, label, revision, retracted in labels:
        logger.ground_truth(id_, label, revision=revision, retracted=retracted)
    logger.close()
    stats = logger.stats()
    arrived = sum(map(len, sink.predictions)) + sum(map(len, sink.ground_truth))
    assert stats.sent == arrived
    assert arrived + stats.invalid == len(calls) + len(labels)
    for batch in sink.predictions:
        for column in (batch.latency_ms, batch.score, *batch.scores.values()):
            assert not np.isinf(column).any()


def test_the_caller_may_change_its_mapping_afterwards() -> None:
    sink = MemorySink()
    features = {"age": 41}
    with make(sink) as logger:
        logger.predict("yes", features)
        features["age"] = 7
    assert sink.predictions[0].features["age"].tolist() == [41.0]


def test_threads_lose_and_repeat_nothing() -> None:
    sink = MemorySink()
    logger = make(sink, queue_events=100_000)
    made: list[list[str]] = [[] for _ in range(8)]

    def serve(ids: list[str]) -> None:
        ids.extend(logger.predict("yes", {"x": 1.0}) for _ in range(1_000))

    threads = [threading.Thread(target=serve, args=(ids,)) for ids in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    logger.close()
    arrived = [id_ for batch in sink.predictions for id_ in ids_of(batch)]
    assert len(arrived) == 8_000
    assert set(arrived) == {UUID(id_).bytes for ids in made for id_ in ids}


def test_the_kill_switch_keeps_nothing_and_still_gives_ids() -> None:
    sink, before = MemorySink(), set(threading.enumerate())
    with PredictionLogger("credit", sink=sink, environ={"STREAMGAUGE_DISABLED": "1"}) as logger:
        assert UUID(logger.predict("yes")).version == 7
        logger.ground_truth("a", "b")
        assert logger.flush()
    assert not sink.predictions
    assert not sink.ground_truth
    assert "streamgauge-credit" not in {t.name for t in set(threading.enumerate()) - before}


def test_a_disabled_logger_needs_no_kafka() -> None:
    PredictionLogger("credit", environ={}, disabled=True).predict("yes")


def test_a_sample_holds_the_same_predictions_and_labels_everywhere() -> None:
    predictions, labels = MemorySink(), MemorySink()
    with make(predictions, sample_rate=0.3) as here, make(labels, sample_rate=0.3) as there:
        for i in range(1_000):
            id_ = here.predict("yes", prediction_id=f"request-{i}")
            there.ground_truth(id_, "yes")
    sampled = [id_ for batch in predictions.predictions for id_ in ids_of(batch)]
    assert sampled == [id_ for batch in labels.ground_truth for id_ in ids_of(batch)]
    assert 240 < len(sampled) < 360
    assert {batch.sample_rate for batch in predictions.predictions} == {0.3}
    assert here.stats().sampled_out == 1_000 - len(sampled)
    assert here.stats().dropped == 0


def test_redacted_and_hashed_values_do_not_leave() -> None:
    sink = MemorySink()
    with make(sink, redact=["name", "country"], hashed=["zip", "sex"], hash_key=b"0" * 32) as logger:
        for zip_code in (1234, "1234", np.int64(1234), 99):
            logger.predict(
                "yes",
                {"name": "Ada", "zip": zip_code, "age": 3},
                groups={"sex": "f"},
                segments={"country": "NO"},
            )
    (batch,) = sink.predictions
    assert set(batch.features) == {"zip", "age"}
    assert batch.segments == {}
    zips = batch.features["zip"].to_list()
    assert zips[0] == zips[1] == zips[2] != zips[3]
    assert len(zips[0]) == 16
    assert batch.groups["sex"].to_list()[0] not in (None, "f")


def test_another_key_gives_other_hashes() -> None:
    hashes = []
    for key in (b"0" * 16, b"1" * 16):
        sink = MemorySink()
        with make(sink, hashed=["zip"], hash_key=key) as logger:
            logger.predict("yes", {"zip": "1234"})
        hashes.append(sink.predictions[0].features["zip"].to_list())
    assert hashes[0] != hashes[1]


def test_a_value_that_cannot_be_hashed_does_not_leave_in_clear() -> None:
    sink = MemorySink()
    with make(sink, hashed=["zip"], hash_key=b"0" * 16) as logger:
        logger.predict("yes", {"zip": ["secret"]})
    assert sink.predictions == []
    assert logger.stats().invalid == 1


@pytest.mark.parametrize(
    "arguments",
    [
        {"model": ""},
        {"version": 7},
        {"task": "sorting"},
        {"sample_rate": 0},
        {"sample_rate": "half"},
        {"batch_events": 0},
        {"queue_events": 10},
        {"linger_ms": 0},
        {"hashed": ["zip"]},
        {"hashed": ["zip"], "hash_key": b"short"},
        {"environ": {"STREAMGAUGE_SAMPLE_RATE": "many"}},
        {"environ": {"STREAMGAUGE_DISABLED": "perhaps"}},
        {"sink": None},
    ],
    ids=str,
)
def test_making_a_logger_says_what_is_wrong(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        PredictionLogger(**({"model": "credit", "sink": MemorySink(), "environ": {}} | arguments))


def test_a_timed_call_logs_its_outcome_and_latency() -> None:
    sink = MemorySink()
    with make(sink) as logger:
        with logger.timed({"age": 41}, groups={"sex": "f"}) as call:
            call.prediction, call.score = "approved", 0.9
        assert call.prediction_id
    (batch,) = sink.predictions
    assert ids_of(batch) == [UUID(call.prediction_id).bytes]
    assert batch.prediction.to_list() == ["approved"]
    assert 0 < batch.latency_ms[0] < 10_000


def test_a_timed_call_that_fails_is_logged_and_fails() -> None:
    sink = MemorySink()
    with make(sink) as logger, pytest.raises(ZeroDivisionError), logger.timed({"age": 41}):
        _ = 1 / 0
    assert sink.predictions[0].failed.tolist() == [True]


def test_an_interrupt_says_nothing_about_the_model() -> None:
    sink = MemorySink()
    with make(sink) as logger, pytest.raises(KeyboardInterrupt), logger.timed():
        raise KeyboardInterrupt
    assert sink.predictions == []


def test_a_decorated_function_is_logged_with_its_first_argument_as_features() -> None:
    sink = MemorySink()
    with make(sink) as logger:

        @logger.watch(groups=lambda features: {"sex": features["sex"]})
        def decide(features: dict[str, Any]) -> str:
            """Decides."""
            return "approved"

        assert decide({"age": 41, "sex": "f"}) == "approved"
    assert decide.__doc__ == "Decides."
    (batch,) = sink.predictions
    assert batch.features["age"].tolist() == [41.0]
    assert batch.groups["sex"].to_list() == ["f"]
    assert batch.prediction.to_list() == ["approved"]


def test_a_decorated_coroutine_function_is_awaited() -> None:
    sink = MemorySink()
    with make(sink) as logger:

        @logger.watch(
            features=lambda age, **_: {"age": age},
            outcome=lambda p: {"prediction": p > 0.5, "score": p},
        )
        async def probability(age: int, *, fast: bool = True) -> float:
            await asyncio.sleep(0.001)
            return 0.7

        assert asyncio.run(probability(41, fast=False)) == 0.7
    (batch,) = sink.predictions
    assert batch.latency_ms[0] >= 1
    assert batch.prediction.to_list() == ["true"]
    assert batch.score.tolist() == [0.7]


@pytest.mark.parametrize("part", ["features", "groups", "segments", "outcome"])
def test_a_decorators_own_functions_cannot_fail_the_call(part: str) -> None:
    sink = MemorySink()
    with make(sink) as logger:

        @logger.watch(**{part: lambda *_: 1 / 0})  # type: ignore[arg-type]
        def decide(features: dict[str, Any]) -> str:
            return "approved"

        assert decide({"age": 41}) == "approved"
    assert logger.stats().invalid == 1


def test_a_sink_that_fails_costs_its_batch_and_nothing_else() -> None:
    class Broken(MemorySink):
        def send(self, batch: Any, lost: Any) -> None:
            if len(self.predictions) == 0 and not hasattr(self, "failed"):
                self.failed = True
                raise OSError("no route")
            super().send(batch, lost)

    sink = Broken()
    with make(sink) as logger:
        for _ in range(2):
            logger.predict("yes")
            logger.flush()
    assert [batch.dropped for batch in sink.predictions] == [1]
    assert (logger.stats().sent, logger.stats().dropped) == (1, 1)


def test_the_news_of_lost_events_is_not_lost_with_the_batch_that_carries_it() -> None:
    class Losing(MemorySink):
        losses = 2

        def send(self, batch: Any, lost: Any) -> None:
            if self.losses:
                self.losses -= 1
                lost(len(batch), batch.dropped)
            else:
                super().send(batch, lost)

    sink = Losing()
    with make(sink) as logger:
        for _ in range(3):
            logger.predict("yes")
            logger.flush()
    assert [batch.dropped for batch in sink.predictions] == [2]


def test_what_is_logged_after_closing_is_ignored() -> None:
    sink = MemorySink()
    logger = make(sink)
    logger.close()
    logger.predict("yes")
    logger.ground_truth("a", "b")
    assert logger.flush()
    assert sink.predictions == []


def test_times_of_every_kind_are_the_same_time() -> None:
    sink = MemorySink()
    with make(sink) as logger:
        for time in (
            1795255200123456,
            "2026-11-21T10:00:00.123456Z",
            "2026-11-21T11:00:00.123456+01:00",
            datetime(2026, 11, 21, 10, 0, 0, 123456, tzinfo=UTC),
        ):
            logger.predict("yes", time=time)
    assert set(sink.predictions[0].time_us.tolist()) == {1795255200123456}


def test_importing_the_logger_imports_nothing_heavy() -> None:
    script = (
        "import sys, streamgauge\n"
        "assert 'numpy' not in sys.modules, 'import streamgauge'\n"
        "from streamgauge import PredictionLogger, Connection, StreamgaugeError\n"
        "import streamgauge.clients.kafka_sink\n"
        "heavy = {'faust', 'river', 'pydantic', 'msgspec', 'structlog', 'yaml', 'rich'} & set(sys.modules)\n"
        "bare = {'schemas', 'detectors', 'streams', 'clients', 'cli'} & set(sys.modules)\n"
        "assert not heavy | bare, heavy | bare\n"
        "assert streamgauge.__version__\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def wait_until(condition: Any, seconds: float = 10.0) -> None:
    tick, deadline = threading.Event(), time_ns() + int(seconds * 1e9)
    while not condition():
        assert time_ns() < deadline, "it did not happen"
        tick.wait(0.002)


class Held:
    """Keeps a logger's background thread from taking events."""

    def __init__(self, logger: PredictionLogger) -> None:
        assert logger._sender is not None
        self._lock = logger._sender._sending

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

"""Fuzz targets of what decodes: whatever comes is a value or a refusal with its reason, and nothing else."""

import base64
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from streamgauge.detectors.baseline import build_profile
from streamgauge.schemas.batch import Categories
from streamgauge.schemas.control import decode_control, decode_retrain_status
from streamgauge.schemas.dead_letter import dead_letter
from streamgauge.schemas.decode import decode_messages
from streamgauge.schemas.encode import decode_output, encode_ground_truth, encode_output, encode_prediction
from streamgauge.schemas.errors import BadEvent, StateError
from streamgauge.schemas.message import CONTROL, GROUND_TRUTH, PREDICTIONS, RETRAIN_STATUS, Message
from streamgauge.schemas.profile import BaselineProfile
from streamgauge.streams.core.snapshot import decode_state, encode_state
from streamgauge.streams.definitions import check
from tests.schemas.contract_events import (
    LABEL,
    PREDICTION,
    TIME_US,
    encoded,
    ground_truth_batch,
    label,
    prediction,
    prediction_batch,
)

GOLDEN = Path(__file__).parents[1] / "schemas" / "golden"
STRUCTURED = (("content-type", b"application/cloudevents+json"),)


class Target(NamedTuple):
    """`run` is given one hostile message made from `corpus`; an exception that leaves it is a finding."""

    corpus: Sequence[bytes]
    run: Callable[[bytes], None]


def _golden(*patterns: str) -> list[bytes]:
    return [path.read_bytes() for pattern in patterns for path in sorted(GOLDEN.glob(pattern))]


def data(topic: str, headers: tuple[tuple[str, bytes], ...] = ()) -> Callable[[bytes], None]:
    """Every event of the message is in a batch, or refused in a dead letter that can be written."""

    def run(sent: bytes) -> None:
        message = Message(topic, 1, TIME_US, b"credit", sent, headers)
        result = decode_messages(topic, [message])
        assert result.batches or result.refused
        assert bool(result.refused) == (result.refused_rows > 0)
        assert all(len(offsets) == len(batch) > 0 for batch, offsets in result.batches)
        for _, error in result.refused:
            write_letter(message, error)

    return run


def write_letter(message: Message, error: BadEvent) -> None:
    """What the worker does with a refused message, in both formats."""
    letter = dead_letter(message, error, "streamgauge.", 0)
    encode_output(letter, "json")
    encode_output(letter, "avro")


def _orders(topic: str, decode: Callable[[Message], object]) -> Callable[[bytes], None]:
    def run(sent: bytes) -> None:
        message = Message(topic, 1, TIME_US, b"credit", sent)
        try:
            decode(message)
        except BadEvent as error:
            write_letter(message, error)

    return run


def _output(sent: bytes) -> None:
    with suppress(BadEvent):
        decode_output(sent)


def _profile(sent: bytes) -> None:
    try:
        document = json.loads(sent)
    except (ValueError, RecursionError):
        return
    if not isinstance(document, dict):
        return
    try:
        profile = BaselineProfile.from_json(document)
    except ValueError:
        return
    again = BaselineProfile.from_json(json.loads(json.dumps(profile.to_json(), allow_nan=False)))
    assert again.profile_id == profile.profile_id


def _definitions(sent: bytes) -> None:
    checked = check("m.yaml", sent.decode("utf-8", "replace"))
    assert checked.problems or checked.definitions or checked.fleet
    assert all(problem.line >= 1 and len(problem.message) < 5_000 for problem in checked.problems)


def _snapshot(sent: bytes) -> None:
    with suppress(StateError):
        decode_state(sent)


def _profiles() -> list[bytes]:
    rng = np.random.default_rng(0)
    job = Categories.of([None if v == "-" else v for v in rng.choice(["a", "b", "-"], 300).tolist()])
    features = {"age": rng.normal(40, 10, 300), "job": job, "empty": np.full(300, np.nan)}
    made = [
        build_profile(
            features,
            prediction=Categories.of(rng.choice(["yes", "no"], 300).tolist()),
            score=rng.random(300),
            errors=(rng.random(200) < 0.1).astype(float),
        ),
        build_profile({}, prediction=rng.normal(size=300), errors=rng.random(300)),
    ]
    return [json.dumps(profile.to_json()).encode() for profile in made]


DEFINITIONS = [
    Path(__file__).parents[2].joinpath("demo", "definitions.yaml").read_bytes(),
    b"model: a\nwindow: 5m\nmonitors: {accuracy: {min: 0.8, severity: critical}, drift: {enabled: false}}\n"
    b"fairness: {groups: [sex, age], intersections: true}\nsegments: {pairs: [[country, device]], max: 20}\n",
    b"common: &a {window: 1m}\n---\nmodel: b\n<<: *a\nfeatures: &f {age: {kind: numeric, min: 18}}\n",
    b"model: c\nbaseline: {profile: c.json}\n"
    b"metrics: {f2: {class: river.metrics.FBeta, params: {beta: 2}}}\n",
    b"defaults: &d {grace: 10s}\nmax_models: 50\n---\n? [model, model]\n: *d\n",
]
JSON_EVENTS = [
    json.dumps(PREDICTION).encode(),
    json.dumps(LABEL).encode(),
    json.dumps(prediction(prediction=None, ranked=["a", 7, "b"], scores=None)).encode(),
    json.dumps(prediction(prediction=None, error="timeout", latency_ms=None)).encode(),
    json.dumps(label(label=None, relevance={"a": 2.0, "b": 0})).encode(),
    json.dumps(label(label=None, retracted=True)).encode(),
]
AVRO_EVENTS = [
    *_golden("prediction.avro", "ground_truth.avro"),
    encode_prediction(prediction(prediction=None, ranked=["a", "b"]), "avro"),
    encode_ground_truth(label(label=3.5), "avro"),
]
COLUMNS = [encoded(prediction_batch()), encoded(ground_truth_batch()), encoded(prediction_batch(20))]
CLOUDEVENTS = [
    *(b'{"specversion": "1.0", "data": ' + event + b"}" for event in JSON_EVENTS),
    *(
        json.dumps({"data_base64": base64.b64encode(event).decode()}).encode()
        for event in (*AVRO_EVENTS, *COLUMNS, JSON_EVENTS[0])
    ),
]
CONTROLS = _golden("control_*")
STATUSES = _golden("retrain_status.*")
SNAPSHOT = encode_state(
    {"n": 3, "counts": np.arange(100) % 7 // 6, "ids": b"ab", "floats": np.array([[0.5, np.nan]])}
)

CODECS = {
    "json": Target(JSON_EVENTS, data(PREDICTIONS)),
    "json-labels": Target(JSON_EVENTS, data(GROUND_TRUTH)),
    "avro": Target(AVRO_EVENTS, data(PREDICTIONS)),
    "avro-labels": Target(AVRO_EVENTS, data(GROUND_TRUTH)),
    "columns": Target(COLUMNS, data(PREDICTIONS)),
    "columns-labels": Target(COLUMNS, data(GROUND_TRUTH)),
    "cloudevents": Target(CLOUDEVENTS, data(PREDICTIONS, STRUCTURED)),
    "cloudevents-binary": Target(
        [*JSON_EVENTS, *AVRO_EVENTS], data(PREDICTIONS, (("ce_specversion", b"1.0"), ("ce_id", b"\xff")))
    ),
    "control": Target(CONTROLS, _orders(CONTROL, decode_control)),
    "retrain-status": Target(STATUSES, _orders(RETRAIN_STATUS, decode_retrain_status)),
    "outputs": Target(_golden("alert.*", "metric.*", "retrain_request.*", "dead_letter.*"), _output),
    "profile": Target(_profiles(), _profile),
    "definitions": Target(DEFINITIONS, _definitions),
    "snapshot": Target([SNAPSHOT], _snapshot),
}


def shown(sent: bytes) -> str:
    """How a finding is shown: short, and to be pasted into a test."""
    return repr(sent if len(sent) < 2_000 else sent[:2_000] + b"...")

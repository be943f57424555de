"""Golden bytes: each format on the wire, for ever. A change here breaks somebody's producer."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from streamgauge.schemas.control import (
    decode_control,
    decode_retrain_status,
    encode_control,
    encode_retrain_status,
)
from streamgauge.schemas.dead_letter import dead_letter
from streamgauge.schemas.decode import decode_messages
from streamgauge.schemas.encode import (
    SCHEMA_OF_TOPIC,
    Format,
    decode_output,
    encode_ground_truth,
    encode_output,
    encode_prediction,
)
from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.message import CONTROL, GROUND_TRUTH, PREDICTIONS, RETRAIN_STATUS, Message
from streamgauge.schemas.registry import schema, writers
from tests.schemas.contract_events import (
    LABEL,
    PREDICTION,
    TIME_US,
    as_lists,
    decode,
    encoded,
    ground_truth_batch,
    message,
    prediction_batch,
    row,
    topic_of,
)
from tests.schemas.contract_outputs import CONTROLS, OUTPUTS, STATUS

GOLDEN = Path(__file__).parent / "golden"
FORMATS: tuple[Format, ...] = get_args(Format)
BATCHES = {"prediction_batch": prediction_batch(), "ground_truth_batch": ground_truth_batch()}
LETTER = dead_letter(
    Message(PREDICTIONS, 7, TIME_US, b"credit", b"\x00\xff", (("content-type", b"text/plain"),)),
    BadEvent(Reason.UNKNOWN_SCHEMA, "schema id 7 is not known"),
    "streamgauge.",
    3,
    "streamgauge 0.1.0",
)
RECORDS = {**OUTPUTS, "dead_letter": LETTER}


def _cases() -> dict[str, Callable[[], bytes]]:
    """How each golden file is written today."""
    cases: dict[str, Callable[[], bytes]] = {}
    for name, batch in BATCHES.items():
        cases[f"{name}.avro"] = lambda batch=batch: encoded(batch)  # type: ignore[misc]
    for format in FORMATS:
        cases[f"prediction.{format}"] = lambda f=format: encode_prediction(PREDICTION, f)  # type: ignore[misc]
        cases[f"ground_truth.{format}"] = lambda f=format: encode_ground_truth(LABEL, f)  # type: ignore[misc]
        cases[f"retrain_status.{format}"] = lambda f=format: encode_retrain_status(STATUS, f)[0]  # type: ignore[misc]
        for name, output in RECORDS.items():
            cases[f"{name}.{format}"] = lambda o=output, f=format: encode_output(o, f)[0]  # type: ignore[misc]
        for kind, event in CONTROLS.items():
            cases[f"control_{kind}.{format}"] = lambda e=event, f=format: encode_control(e, f)[0]  # type: ignore[misc]
    return cases


CASES = _cases()


def golden(file: str) -> bytes:
    return (GOLDEN / file).read_bytes()


@pytest.mark.parametrize("file", CASES)
def test_what_is_written_is_the_golden_file(file: str) -> None:
    assert CASES[file]() == golden(file)


def test_every_golden_file_has_its_case() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == set(CASES)


@pytest.mark.parametrize("name", BATCHES)
def test_golden_columns_are_read(name: str) -> None:
    batch = BATCHES[name]
    [(found, _)] = decode(golden(f"{name}.avro"), topic=topic_of(batch)).batches
    assert as_lists(found) == as_lists(batch)


@pytest.mark.parametrize("format", FORMATS)
def test_golden_events_are_read(format: Format) -> None:
    [(predictions, _)] = decode(golden(f"prediction.{format}")).batches
    assert row(predictions)["features"]["income"] == 52_000.0
    assert row(predictions)["time_us"] == TIME_US
    [(labels, _)] = decode(golden(f"ground_truth.{format}"), topic=GROUND_TRUTH).batches
    assert row(labels)["label"] == "rejected"
    assert row(labels)["ids"] == row(predictions)["ids"] == PREDICTION["prediction_id"].replace("-", "")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", RECORDS)
def test_golden_outputs_are_read(name: str, format: Format) -> None:
    assert decode_output(golden(f"{name}.{format}")) == RECORDS[name].record


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kind", CONTROLS)
def test_golden_control_events_are_read(kind: str, format: Format) -> None:
    assert decode_control(message(golden(f"control_{kind}.{format}"), CONTROL)) == CONTROLS[kind]


@pytest.mark.parametrize("format", FORMATS)
def test_golden_retrain_status_is_read(format: Format) -> None:
    assert decode_retrain_status(message(golden(f"retrain_status.{format}"), RETRAIN_STATUS)) == STATUS


def crc_64_avro(text: bytes) -> bytes:
    """The specification's own algorithm ("Schema Fingerprints"), little-endian as single objects carry it."""
    empty = 0xC15D213AA4D7A795
    table = []
    for i in range(256):
        fp = i
        for _ in range(8):
            fp = (fp >> 1) ^ (empty & -(fp & 1))
        table.append(fp)
    fp = empty
    for byte in text:
        fp = (fp >> 8) ^ table[(fp ^ byte) & 0xFF]
    return fp.to_bytes(8, "little")


def test_fingerprints_are_those_of_the_avro_specification() -> None:
    canonical = (
        '{"name":"io.streamgauge.GroundTruth","type":"record","fields":['
        '{"name":"prediction_id","type":"string"},{"name":"model","type":"string"},'
        '{"name":"time","type":"long"},{"name":"label","type":["null","boolean","long","double","string"]},'
        '{"name":"relevance","type":["null",{"type":"map","values":"double"},'
        '{"type":"array","items":["string","long"]}]},'
        '{"name":"revision","type":"int"},{"name":"retracted","type":"boolean"}]}'
    )
    assert schema("ground_truth").fingerprint == crc_64_avro(canonical.encode())
    assert set(writers()) == {found.fingerprint for found in writers().values()}


def test_a_single_object_is_laid_out_as_the_avro_specification_says() -> None:
    """Written by hand: marker, fingerprint, then each field; integers as zigzag varints."""

    def long(value: int) -> bytes:
        value = value << 1 ^ value >> 63
        out = bytearray()
        while value > 0x7F:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        return bytes([*out, value])

    def string(text: str) -> bytes:
        return long(len(text.encode())) + text.encode()

    fields = [string(LABEL["prediction_id"]), string("credit"), long(TIME_US)]
    fields += [long(4), string("rejected"), long(0), long(2), b"\x00"]
    assert golden("ground_truth.avro") == b"\xc3\x01" + schema("ground_truth").fingerprint + b"".join(fields)


def test_the_golden_json_is_the_contract_s_example() -> None:
    assert json.loads(golden("prediction.json")) == PREDICTION
    assert {name: SCHEMA_OF_TOPIC[output.topic] for name, output in RECORDS.items()} == {
        n: n for n in RECORDS
    }
    result: Any = decode_messages(PREDICTIONS, [message(golden("prediction.json"))])
    assert result.refused == []

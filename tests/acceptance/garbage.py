"""Everything that is refused: which message, on which topic, for which reason."""

import json
from collections.abc import Iterator

from streamgauge.schemas.errors import Reason
from streamgauge.schemas.message import CONTROL, GROUND_TRUTH, PREDICTIONS, RETRAIN_STATUS, Message
from tests.schemas.test_garbage import GARBAGE, GARBAGE_LABELS

SAID = {"actor": "ann", "time": "2026-11-21T10:00:00Z"}
DEFINE = {"kind": "define", **SAID, "model": "credit"}
REPORT = {"request_id": "credit:7:1", "model": "credit", "attempt": 1, "time": SAID["time"]}

#: What the schemas let through and the core refuses, and what comes on the topics that carry no data.
REFUSED: dict[str, tuple[str, bytes, Reason]] = {
    "a class for a regression": (
        GROUND_TRUTH,
        json.dumps({"prediction_id": "a", "model": "price", "time": SAID["time"], "label": "dear"}).encode(),
        Reason.WRONG_TYPE,
    ),
    "a control event of random bytes": (CONTROL, b"\xc1\x00\xfe", Reason.UNDECODABLE),
    "a control event of no kind": (
        CONTROL,
        json.dumps({**SAID, "model": "m"}).encode(),
        Reason.MISSING_FIELD,
    ),
    "a control event of a kind that is none": (
        CONTROL,
        json.dumps({**DEFINE, "kind": "explode"}).encode(),
        Reason.WRONG_TYPE,
    ),
    "a definition with a negative window": (
        CONTROL,
        json.dumps({**DEFINE, "document": {"model": "credit", "window": "-5m"}}).encode(),
        Reason.REFUSED,
    ),
    "a definition with an unknown field": (
        CONTROL,
        json.dumps({**DEFINE, "document": {"model": "credit", "windows": "5m"}}).encode(),
        Reason.REFUSED,
    ),
    "an acknowledgement of no alert": (
        CONTROL,
        json.dumps({**SAID, "kind": "acknowledge", "model": "credit", "fingerprint": "ab"}).encode(),
        Reason.REFUSED,
    ),
    "a report on a request that was never made": (
        RETRAIN_STATUS,
        json.dumps({**REPORT, "state": "accepted"}).encode(),
        Reason.REFUSED,
    ),
    "a success without a version": (
        RETRAIN_STATUS,
        json.dumps({**REPORT, "state": "succeeded"}).encode(),
        Reason.MISSING_FIELD,
    ),
    "a report that is a list": (RETRAIN_STATUS, b"[1]", Reason.WRONG_TYPE),
}


def pieces() -> Iterator[tuple[str, Message, Reason]]:
    """(topic, message, reason) of everything that is refused."""
    yield from named_pieces().values()


def named_pieces() -> dict[str, tuple[str, Message, Reason]]:
    """The same, by what is wrong with each."""
    found: dict[str, tuple[str, Message, Reason]] = {}
    for name, (piece, reason) in GARBAGE.items():
        message = piece if isinstance(piece, Message) else Message(PREDICTIONS, 0, 0, None, piece)
        found[name] = PREDICTIONS, message, reason
    for name, (value, reason) in GARBAGE_LABELS.items():
        found[name] = GROUND_TRUTH, Message(GROUND_TRUTH, 0, 0, None, value), reason
    for name, (topic, value, reason) in REFUSED.items():
        found[name] = topic, Message(topic, 0, 0, None, value), reason
    assert len(found) == len(GARBAGE) + len(GARBAGE_LABELS) + len(REFUSED)
    return found

"""Dead letters of labels whose prediction never came."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from streamgauge.schemas.dead_letter import dead_letter
from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.message import GROUND_TRUTH, Message, Output
from streamgauge.schemas.times import format_time
from streamgauge.streams.core.pairs import Orphans


def orphan_letters(
    model: str, orphans: Orphans, name_of: Callable[[int], str] | None, context: Any
) -> list[Output]:
    """One letter a label; its value is written anew from what the join kept of it.

    `name_of` gives a class by its code; None where labels are numbers.
    """
    ids = orphans.ids.tobytes()
    letters = []
    for row in range(len(orphans.ids)):
        found = orphans.label[row]
        name, label = "label", None
        if isinstance(found, bytes):
            name, label = "relevance", json.loads(found)
        elif found is not None and found == found:
            label = float(found) if name_of is None else name_of(int(found))
        time_us = int(orphans.time_us[row])
        value = {
            "prediction_id": str(UUID(bytes=ids[row * 16 : row * 16 + 16])),
            "model": model,
            "time": format_time(time_us),
            name: label,
            "revision": int(orphans.revision[row]),
            "retracted": label is None,
        }
        message = Message(
            GROUND_TRUTH, int(orphans.offset[row]), time_us, model.encode(), json.dumps(value).encode()
        )
        error = BadEvent(Reason.ORPHANED, "its prediction did not come within labels.ttl")
        letters.append(dead_letter(message, error, context.prefix, context.partition, context.software))
    return letters

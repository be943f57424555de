"""Streamgauge, as a worker has it: messages in, alerts out. The reference is the model's first 5,000 events.

A window is five minutes, the default, and has 500 events; or 500 events come a second, which are 150,000 a
window. Every monitor that a model has without a definition is on, paid from the default budget; an alarm is
an alert that opens, of whichever monitor.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from turns import ALL, BATCH, NUMBERS, REFERENCE, WORDS, Method, Verdicts, main

from streamgauge.schemas.batch import Categories, PredictionBatch
from streamgauge.schemas.encode import encode_prediction_batch
from streamgauge.schemas.message import ALERTS, PREDICTIONS, Message
from streamgauge.streams.core.partition import CoreSettings, Partition

_START_US = 1_795_255_200_000_000
_A_WINDOW, _A_SECOND = 600_000, 2_000  # µs between two events, if 500 come in that


def _message(step_us: int, rows: np.ndarray, start: int) -> Message:
    """Of predictions, of which the first is the `start`th after the reference."""
    n = len(rows)
    rng = np.random.default_rng(REFERENCE + start)
    features = {name: rows[:, i] for i, name in enumerate(NUMBERS)}
    for i, (name, words) in enumerate(WORDS.items(), len(NUMBERS)):
        features[name] = Categories(rows[:, i].astype(np.int32), tuple(words))
    batch = PredictionBatch(
        model="bench",
        version="1",
        ids=np.frombuffer(rng.bytes(16 * n), dtype="S16"),
        time_us=_START_US + step_us * np.arange(start, start + n),
        prediction=Categories(rng.integers(0, 2, n).astype(np.int32), ("no", "yes")),
        latency_ms=rng.lognormal(3.0, 0.3, n),
        score=np.full(n, np.nan),
        failed=np.zeros(n, np.bool_),
        features=features,
    )
    return Message(PREDICTIONS, REFERENCE + start, 0, b"bench", encode_prediction_batch(batch))


def _watch(step_us: int, reference: np.ndarray) -> Callable[[Message], Verdicts]:
    partition = Partition(0, CoreSettings(clock="events"))
    for start in range(0, REFERENCE, BATCH):
        partition.apply([_message(step_us, reference[start : start + BATCH], start - REFERENCE)])
    return partial(_see, partition)


def _method(step_us: int, batch: int) -> Method:
    return Method(partial(_watch, step_us), partial(_message, step_us), batch, remembers=True)


def _see(partition: Partition, message: Message) -> Verdicts:
    partition.apply([message])
    opened = [o for o in partition.drain() if o.topic == ALERTS and o.record["state"] == "opened"]
    return {"any alert": [ALL] * bool(opened)}


if __name__ == "__main__":
    main(
        {
            "500 a window, messages of 500": _method(_A_WINDOW, BATCH),
            "500 a window, messages of 50": _method(_A_WINDOW, 50),
            "500 a second, messages of 500": _method(_A_SECOND, BATCH),
        }
    )

"""`DecodedEvents`: a run of events as batches, with what is needed to say where each came from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamgauge.schemas.batch import Ints
from streamgauge.schemas.decode import DecodeResult, decode_messages
from streamgauge.schemas.framing import Resolver
from streamgauge.schemas.message import Message
from streamgauge.streams.core.rows import neighbours_merged


@dataclass(frozen=True, slots=True)
class DecodedEvents:
    """Events of one data input, from Kafka or from a file, whose offsets are then numbers of lines or rows.

    `last_offset` is that of the last one, refused or not. `quote` gives the messages of ascending offsets,
    for dead letters. `places` are the ascending offsets of all of them and `appended_us` when each was
    appended: int64, shape (n,); files have none.
    """

    topic: str
    decoded: DecodeResult
    last_offset: int
    quote: Callable[[Ints], Sequence[Message]]
    places: Ints | None = None
    appended_us: Ints | None = None

    @classmethod
    def of(cls, topic: str, messages: Sequence[Message], resolve: Resolver | None = None) -> "DecodedEvents":
        """A run of messages of one topic, in the order of their offsets.

        >>> event = b'{"prediction_id": "a", "model": "m", "time": 1795255200000000, "prediction": 3}'
        >>> events = DecodedEvents.of("predictions", [Message("predictions", 7, 5, b"m", event)])
        >>> events.last_offset, [len(batch) for batch, _ in events.decoded.batches]
        (7, [1])
        """

        places = np.array([message.offset for message in messages], np.int64)

        def quote(offsets: Ints) -> list[Message]:
            return [messages[at] for at in np.searchsorted(places, offsets).tolist()]

        return cls(
            topic,
            decode_messages(topic, messages, resolve=resolve),
            messages[-1].offset,
            quote,
            places,
            np.array([message.timestamp_us for message in messages], np.int64),
        )

    def by_model(self) -> dict[str, list[tuple[Any, Ints]]]:
        """The batches of each model, neighbours as one, with the offsets of their rows."""
        lanes: dict[str, list[tuple[Any, Ints]]] = {}
        for batch, offsets in neighbours_merged(self.decoded.batches):
            lanes.setdefault(batch.model, []).append((batch, offsets))
        return lanes

    def appended_times(self, parts: Sequence[tuple[Any, Ints]]) -> list[Ints] | None:
        """When the broker appended each row, by the offset it came from; int64, shape (n,) a part."""
        if self.places is None or self.appended_us is None:
            return None
        return [self.appended_us[np.searchsorted(self.places, offsets)] for _, offsets in parts]

"""`Piece`: neighbouring events of one input, as the core takes them; runs of them as one."""

from collections.abc import Sequence
from itertools import chain

import numpy as np

from streamgauge.schemas.batch import Ints
from streamgauge.schemas.decode import DecodeResult
from streamgauge.schemas.message import Message
from streamgauge.streams.core.decoded import DecodedEvents

#: Events of a data input, or orders of operators and training jobs.
Piece = DecodedEvents | tuple[Message, ...]


def joined(pieces: Sequence[Piece]) -> Piece:
    """Neighbouring pieces of one input as one."""
    events = [piece for piece in pieces if isinstance(piece, DecodedEvents)]
    if len(pieces) == 1:
        return pieces[0]
    if len(events) < len(pieces):
        return tuple(chain.from_iterable(piece for piece in pieces if isinstance(piece, tuple)))
    decoded = DecodeResult(
        [batch for event in events for batch in event.decoded.batches],
        [refusal for event in events for refusal in event.decoded.refused],
        sum(event.decoded.refused_rows for event in events),
    )
    last = np.array([event.last_offset for event in events], np.int64)

    def quote(places: Ints) -> list[Message]:
        within = np.searchsorted(last, places)
        return [
            message
            for number, event in enumerate(events)
            if (within == number).any()
            for message in event.quote(places[within == number])
        ]

    return DecodedEvents(
        events[0].topic,
        decoded,
        events[-1].last_offset,
        quote,
        _one([event.places for event in events]),
        _one([event.appended_us for event in events]),
    )


def _one(columns: Sequence[Ints | None]) -> Ints | None:
    known = [column for column in columns if column is not None]
    return np.concatenate(known) if len(known) == len(columns) else None

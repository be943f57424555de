"""Lines of a file, numbered, some thousand at a time, however long a hostile one is."""

from collections.abc import Iterator
from typing import BinaryIO

from streamgauge.schemas.limits import DEFAULT
from streamgauge.streams.sources.block import BLOCK_ROWS

#: Longer ones are cut: what is beyond the limit of a message is refused whatever it holds.
LONGEST = DEFAULT.message_bytes + 1
_MOST_BYTES = 16 << 20


def numbered_lines(file: BinaryIO, first: int = 1) -> Iterator[tuple[int, list[bytes]]]:
    """(number of the first line, the lines with their ends); numbers count lines of the file, from `first`.

    >>> import io
    >>> list(numbered_lines(io.BytesIO(b"a\\n\\nb")))
    [(1, [b'a\\n', b'\\n', b'b'])]
    """
    lines: list[bytes] = []
    size = 0
    while line := file.readline(LONGEST):
        lines.append(line)
        size += len(line)
        if len(line) == LONGEST and not line.endswith(b"\n"):
            while (rest := file.readline(LONGEST)) and not rest.endswith(b"\n"):
                pass
        if len(lines) >= BLOCK_ROWS or size >= _MOST_BYTES:
            yield first, lines
            first += len(lines)
            lines, size = [], 0
    if lines:
        yield first, lines

"""`Mirror`: one partition of the `state` topic in a local RocksDB, so that a restart reads only what is new.

The records of the topic lie there as they are, with the offset up to which they were read; of what is
written in several batches the last one carries it. There is no write-ahead log: after a kill the database
holds all batches up to one of them, and what came later is read from the topic again. The offset is never
ahead of the records. It may be behind them: records that are read a second time, in their order, leave what
they left the first time.
"""

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from confluent_kafka import Message
from rocksdict import Rdict, WriteBatch, WriteOptions

from streamgauge.schemas.errors import StateError
from streamgauge.streams.core.shelf import Found
from streamgauge.streams.records import RecordWriter, StateRecord, part_key, parts_of
from streamgauge.streams.rocks import Buffers, Disk, in_order
from streamgauge.streams.store import LogBounds, MirrorError
from streamgauge.streams.topics import DELETIONS_KEPT_S

log = structlog.get_logger("streamgauge.mirror")

FORMAT = 1
_META = b"\x00meta"
_RECORD = b"r"
_PARTS, _END = _RECORD + part_key(b"", 0)[:1], b"s"
#: The topic forgets deletions after `DELETIONS_KEPT_S`: who has not read them by then never will.
OLDEST_S = DELETIONS_KEPT_S / 2
#: What a kill makes the next start read again is at most that of so long.
_FLUSH_S = 30.0
#: Workers may share a directory: the partition's last owner may still be closing it.
_LOCK_S = 5.0
#: A batch is in memory twice, and is one piece for RocksDB: it keeps to its bounds only between two of them.
_BATCH_BYTES = 1 << 20
_DISK = Disk()


class Mirror:
    """A `StateStore` that outlives its process."""

    def __init__(
        self, path: Path, buffers: Buffers, failed: Callable[[], None], clock: Callable[[], float]
    ) -> None:
        self._path, self._buffers, self._failed, self._clock = path, buffers, failed, clock
        self._log = log.bind(directory=str(path))
        self._db: Any = None
        self._writes = WriteOptions()
        self._writes.disable_wal = True  # type: ignore[method-assign, assignment]  # not a method, as its stub says
        #: Is there if something could not be read when the worker was under way.
        self._damaged = path.with_name(path.name + ".damaged")
        self._reading = Disk(self._distrust)
        self._identity = ""
        self._position = -1
        self._flushed_s = 0.0
        #: Whether all that was committed is here.
        self.holds_all = True
        self._elsewhere = False
        self._writer = RecordWriter()

    def open(self, identity: Callable[[], str], bounds: LogBounds) -> int:
        """The offset from which on the topic is to be read; below 0: from its beginning."""
        self._identity = identity()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with _DISK:
            self._db = self._opened()
            stored = self._db.get(_META)
        why = self._unusable(stored, bounds)
        if why is not None:
            self._log.info("mirror_wiped", why=why)
            self.wipe()
            with _DISK:
                self._db = self._opened()
        else:
            self._position = json.loads(stored)["position"] if stored is not None else -1
        self._flushed_s = time.monotonic()
        with _DISK:
            for key, _ in in_order(self._db, _PARTS, _END):
                self._writer.note(key[len(_RECORD) :])
        return self._position

    def read(self, messages: Sequence[Message]) -> None:
        """Committed records of the topic, in the order of offsets."""
        records = []
        for message in messages:
            key = message.key() or b""
            self._writer.note(key)
            records.append(StateRecord(key, message.value(), parts_of(message.headers())))
        with _DISK:
            self._put(records, (messages[-1].offset() or 0) + 1)

    def snapshots(self) -> Iterator[tuple[bytes, bytes]]:
        """Every live snapshot, one at a time. Raises `StateError` if a part is missing."""
        with _DISK:
            for key, value in in_order(self._db, _RECORD, _PARTS):
                key = key[len(_RECORD) :]
                yield key, self._whole(key, value())

    @property
    def shelf(self) -> "Mirror":
        """Itself: what it has can be read at any time, from any thread."""
        return self

    def get(self, key: bytes) -> bytes | None:
        """One live snapshot."""
        with self._reading:
            first = self._db.get(_RECORD + key)
            return None if first is None else self._whole(key, first)

    def scan(self, prefix: bytes) -> Found:
        """The live snapshots whose keys begin so."""
        with self._reading:
            until = prefix[:-1] + bytes([prefix[-1] + 1])
            for key, value in in_order(self._db, _RECORD + prefix, _RECORD + until):
                key = key[len(_RECORD) :]
                yield key, partial(self._later, key, value)

    def first_from(self, key: bytes) -> bytes | None:
        """The first key of a live snapshot that is not before this one."""
        with self._reading:
            found = self._db.iter()
            found.seek(_RECORD + key)
            first = found.key() if found.valid() else found.status()
        return None if first is None or first >= _PARTS else first[len(_RECORD) :]

    def flush(self) -> None:
        """What was read is on disk: a start that ends early need not read it twice."""
        with _DISK:
            self._db.flush()

    def write(self, changes: Iterable[tuple[bytes, bytes | None]]) -> Iterator[StateRecord]:
        """The records that bring the topic up to `changes`."""
        return self._writer.write(changes)

    def committed(self, records: Iterable[StateRecord], position: int | None) -> None:
        """These are in the topic now; `position` follows the last, where it is known.

        A disk that takes no more costs nothing but time at the next start: the mirror stays as it was.
        """
        if not self.holds_all:
            return
        try:
            with _DISK:
                self._put(records, self._position if position is None else position)
                if time.monotonic() - self._flushed_s > _FLUSH_S:
                    self._db.flush()
                    self._flushed_s = time.monotonic()
        except MirrorError as error:
            self.holds_all = False
            self._failed()
            self._log.error("mirror_given_up", cause=str(error))

    def close(self) -> None:
        """Let go of the directory, with all that was committed on disk if that is possible."""
        if self._db is not None:
            with contextlib.suppress(MirrorError), _DISK:
                self._db.close()
            self._db = None

    def wipe(self) -> None:
        """Nothing is left of it, unless another process has it open."""
        self.close()
        if self._elsewhere:
            return
        try:
            shutil.rmtree(self._path)
            self._damaged.unlink(missing_ok=True)
        except OSError as error:
            raise MirrorError(str(error)) from error
        self._position, self._writer = -1, RecordWriter()

    def _unusable(self, stored: bytes | None, bounds: LogBounds) -> str | None:
        """Why what lies on disk cannot be gone on with."""
        if self._damaged.exists():
            return "what was read from it was damaged"
        if stored is None:
            return None
        meta = json.loads(stored)
        age_s = self._clock() - meta.get("written_s", 0)
        if meta.get("format") != FORMAT:
            return "another version of Streamgauge wrote it"
        if meta["identity"] != self._identity:
            return "it mirrors another topic"
        if meta["position"] > bounds.end:
            return "it is ahead of the topic"
        if not -OLDEST_S < age_s < OLDEST_S:
            return f"it was written {age_s / 3_600:.0f} h ago, and may have missed deletions"
        return None

    def _opened(self) -> Any:
        deadline = time.monotonic() + _LOCK_S
        while True:
            try:
                return Rdict(str(self._path), self._buffers.options())
            except Exception as error:  # rocksdict raises nothing narrower
                self._elsewhere = "lock" in str(error).lower()
                if not self._elsewhere or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _put(self, records: Iterable[StateRecord], position: int) -> None:
        batch, size = WriteBatch(raw_mode=True), 0
        for record in records:
            if record.value is None:
                batch.delete(_RECORD + record.key)
            else:
                batch.put(_RECORD + record.key, record.parts.to_bytes(4, "big") + record.value)
                size += len(record.value)
            if size >= _BATCH_BYTES:
                self._write(batch, self._position)
                batch, size = WriteBatch(raw_mode=True), 0
        self._write(batch, position)
        self._position = position

    def _write(self, batch: WriteBatch, position: int) -> None:
        meta = {"format": FORMAT, "identity": self._identity, "position": position}
        batch.put(_META, json.dumps(meta | {"written_s": self._clock()}).encode())
        self._db.write(batch, self._writes)

    def _distrust(self) -> None:
        """The next start makes the mirror anew: it would not look at all of it."""
        with contextlib.suppress(OSError):
            self._damaged.touch()

    def _later(self, key: bytes, value: Callable[[], bytes]) -> bytes:
        with self._reading:
            return self._whole(key, value())

    def _whole(self, key: bytes, first: bytes) -> bytes:
        count = int.from_bytes(first[:4], "big")
        parts = [first]
        for part in range(1, count):
            found = self._db.get(_RECORD + part_key(key, part))
            if found is None:
                raise StateError(f"part {part} of {count} of the snapshot {key!r} is not there")
            parts.append(found)
        return first[4:] if count == 1 else b"".join(part[4:] for part in parts)

"""`Mirror`: one partition of the `state` topic in a local RocksDB, so that a restart reads only what is new.

The records of the topic lie there as they are, with the offset up to which they were read; both change in
one write batch. There is no write-ahead log: after a kill the database holds all batches up to one of them,
and what came later is read from the topic again. The offset is never ahead of the records. It may be behind
them: records that are read a second time, in their order, leave what they left the first time.
"""

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import structlog
from confluent_kafka import Message
from rocksdict import BlockBasedOptions, Cache, DBCompressionType, Options, Rdict, WriteBatch, WriteOptions

from streamgauge.schemas.errors import StateError
from streamgauge.streams.records import RecordWriter, StateRecord, part_key, parts_of
from streamgauge.streams.store import LogBounds, MirrorError
from streamgauge.streams.topics import DELETIONS_KEPT_S

log = structlog.get_logger("streamgauge.mirror")

FORMAT = 1
_META = b"\x00meta"
_RECORD = b"r"
_PARTS = _RECORD + part_key(b"", 0)[:1]
#: The topic forgets deletions after `DELETIONS_KEPT_S`: who has not read them by then never will.
OLDEST_S = DELETIONS_KEPT_S / 2
_BUFFER_BYTES = 8 << 20
_CACHE_BYTES = 32 << 20
#: What a kill makes the next start read again is at most that of so long.
_FLUSH_S = 30.0
#: Workers may share a directory: the partition's last owner may still be closing it.
_LOCK_S = 5.0


class Mirrors:
    """The mirrors of one worker, below `directory`; `failed` is told of each one that is given up.

    `clock` gives the seconds of the epoch.
    """

    def __init__(
        self, directory: Path, failed: Callable[[], None], clock: Callable[[], float] = time.time
    ) -> None:
        self._directory = directory
        self._failed = failed
        self._clock = clock
        self._cache = Cache(_CACHE_BYTES)

    def of(self, topic: str, partition: int) -> "Mirror":
        """The mirror of a partition of `topic`, not opened yet."""
        return Mirror(self._directory / f"{topic}-{partition}", self._cache, self._failed, self._clock)


class Mirror:
    """A `StateStore` that outlives its process."""

    def __init__(
        self, path: Path, cache: Cache, failed: Callable[[], None], clock: Callable[[], float]
    ) -> None:
        self._path, self._cache, self._failed, self._clock = path, cache, failed, clock
        self._log = log.bind(directory=str(path))
        self._db: Any = None
        self._writes = WriteOptions()
        self._writes.disable_wal = True  # type: ignore[method-assign, assignment]  # not a method, as its stub says
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
        with _Disk():
            self._db = self._opened()
            stored = self._db.get(_META)
        why = self._unusable(stored, bounds)
        if why is not None:
            self._log.info("mirror_wiped", why=why)
            self.wipe()
            with _Disk():
                self._db = self._opened()
        else:
            self._position = json.loads(stored)["position"] if stored is not None else -1
        self._flushed_s = time.monotonic()
        for key, _ in self._records(_PARTS):
            self._writer.note(key)
        return self._position

    def read(self, messages: Sequence[Message]) -> None:
        """Committed records of the topic, in the order of offsets."""
        records = []
        for message in messages:
            key = message.key() or b""
            self._writer.note(key)
            records.append(StateRecord(key, message.value(), parts_of(message.headers())))
        with _Disk():
            self._put(records, (messages[-1].offset() or 0) + 1)

    def snapshots(self) -> Iterator[tuple[bytes, bytes]]:
        """Every live snapshot, one at a time. Raises `StateError` if a part is missing."""
        with _Disk():
            self._db.flush()  # a start that ends early need not be made twice
        for key, value in self._records(_RECORD, until=_PARTS):
            with _Disk():
                first = value()
            yield key, self._whole(key, first)

    def get(self, key: bytes) -> bytes | None:
        """One live snapshot. Any thread may ask."""
        with _Disk():
            first = self._db.get(_RECORD + key)
        return None if first is None else self._whole(key, first)

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
            with _Disk():
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
            with contextlib.suppress(MirrorError), _Disk():
                self._db.close()
            self._db = None

    def wipe(self) -> None:
        """Nothing is left of it, unless another process has it open."""
        self.close()
        if self._elsewhere:
            return
        try:
            shutil.rmtree(self._path)
        except OSError as error:
            raise MirrorError(str(error)) from error
        self._position, self._writer = -1, RecordWriter()

    def _unusable(self, stored: bytes | None, bounds: LogBounds) -> str | None:
        """Why what lies on disk cannot be gone on with."""
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
        options, table = Options(raw_mode=True), BlockBasedOptions()
        table.set_block_cache(self._cache)
        table.set_bloom_filter(10, False)
        options.set_block_based_table_factory(table)
        options.create_if_missing(True)
        options.set_write_buffer_size(_BUFFER_BYTES)
        options.set_compression_type(DBCompressionType.lz4())
        options.set_max_open_files(64)
        options.set_keep_log_file_num(2)
        deadline = time.monotonic() + _LOCK_S
        while True:
            try:
                return Rdict(str(self._path), options)
            except Exception as error:  # rocksdict raises nothing narrower
                self._elsewhere = "lock" in str(error).lower()
                if not self._elsewhere or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _put(self, records: Iterable[StateRecord], position: int) -> None:
        batch = WriteBatch(raw_mode=True)
        for record in records:
            if record.value is None:
                batch.delete(_RECORD + record.key)
            else:
                batch.put(_RECORD + record.key, record.parts.to_bytes(4, "big") + record.value)
        meta = {"format": FORMAT, "identity": self._identity, "position": position}
        batch.put(_META, json.dumps(meta | {"written_s": self._clock()}).encode())
        self._db.write(batch, self._writes)
        self._position = position

    def _whole(self, key: bytes, first: bytes) -> bytes:
        count = int.from_bytes(first[:4], "big")
        parts = [first]
        for part in range(1, count):
            with _Disk():
                found = self._db.get(_RECORD + part_key(key, part))
            if found is None:
                raise StateError(f"part {part} of {count} of the snapshot {key!r} is not there")
            parts.append(found)
        return first[4:] if count == 1 else b"".join(part[4:] for part in parts)

    def _records(self, start: bytes, until: bytes = b"s") -> Iterator[tuple[bytes, Callable[[], bytes]]]:
        """Keys of records, and what gives the value of each until the next is asked for."""
        with _Disk():
            found = self._db.iter()
            found.seek(start)
        while True:
            with _Disk():
                if not found.valid():
                    found.status()  # damage looks like the end
                    return
                key = found.key()
            if key >= until:
                return
            yield key[len(_RECORD) :], found.value
            with _Disk():
                found.next()


class _Disk:
    """RocksDB's errors, which have no class of their own, as `MirrorError`; entered for every record."""

    def __enter__(self) -> None:
        """There is nothing to prepare."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, MirrorError):
            raise MirrorError(str(error)) from error  # rocksdict raises nothing narrower

"""RocksDB as mirrors use it: what it keeps in memory, how a database is read in order, and its errors."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from rocksdict import BlockBasedOptions, Cache, DBCompressionType, Options, WriteBufferManager

from streamgauge.schemas.errors import StreamgaugeError
from streamgauge.streams.store import MirrorError

_BUFFER_BYTES = 8 << 20


class Buffers(NamedTuple):
    """What all databases of a worker keep in memory: what was read, and with it what is yet to be written."""

    cache: Cache
    manager: WriteBufferManager

    @classmethod
    def of(cls, memory_bytes: int) -> "Buffers":
        """Of at most so much; a half of it is for writing."""
        cache = Cache(memory_bytes)
        return cls(
            cache, WriteBufferManager.new_write_buffer_manager_with_cache(memory_bytes // 2, False, cache)
        )

    def options(self) -> Options:
        """Those of a database that has them."""
        options, table = Options(raw_mode=True), BlockBasedOptions()
        table.set_block_cache(self.cache)
        table.set_cache_index_and_filter_blocks(True)
        table.set_bloom_filter(10, False)
        options.set_block_based_table_factory(table)
        options.create_if_missing(True)
        options.set_write_buffer_size(_BUFFER_BYTES)
        options.set_write_buffer_manager(self.manager)
        options.set_compression_type(DBCompressionType.lz4())
        options.set_max_open_files(64)
        options.set_keep_log_file_num(2)
        return options


class Disk:
    """RocksDB's errors, which have no class of their own, as `MirrorError`; `failed` is called at each."""

    def __init__(self, failed: Callable[[], None] = lambda: None) -> None:
        self._failed = failed

    def __enter__(self) -> None:
        """There is nothing to prepare."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, StreamgaugeError):
            self._failed()
            raise MirrorError(str(error)) from error  # rocksdict raises nothing narrower


def in_order(database: Any, start: bytes, until: bytes) -> Iterator[tuple[bytes, Callable[[], bytes]]]:
    """Keys from `start` on, before `until`, and what gives the value of each until the next is asked for."""
    found = database.iter()
    found.seek(start)
    while found.valid():
        key = found.key()
        if key >= until:
            return
        yield key, found.value
        found.next()
    found.status()  # damage looks like the end

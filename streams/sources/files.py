"""A file of events as a source: what it holds is seen in its first bytes, else in its name."""

from pathlib import Path

from streamgauge.schemas.errors import ConfigurationError
from streamgauge.streams.sources.block import FileSource
from streamgauge.streams.sources.csv import CsvRows
from streamgauge.streams.sources.jsonl import JsonLines


def open_file(topic: str, path: Path) -> FileSource:
    """JSONL, CSV (by its name), Parquet or Avro. Raises `ConfigurationError` for what cannot be read."""
    try:
        magic = _first_bytes(path)
        if magic == b"PAR1":
            return _parquet(topic, path)
        if magic == b"Obj\x01":
            from streamgauge.streams.sources.avro import AvroRecords

            return AvroRecords(topic, path)
        return CsvRows(topic, path) if path.suffix.lower() == ".csv" else JsonLines(topic, path)
    except OSError as error:
        raise ConfigurationError(f"cannot replay {path}: {error.strerror}") from error


def _first_bytes(path: Path) -> bytes:
    """None of a pipe: what is read of it is gone."""
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(4)


def _parquet(topic: str, path: Path) -> FileSource:
    try:
        from streamgauge.streams.sources.parquet import ParquetRows
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{path} is Parquet, which needs the package {error.name}: pip install 'streamgauge[parquet]'"
        ) from error
    return ParquetRows(topic, path)

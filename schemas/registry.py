"""The Avro schemas of the contract, and every schema that a released version has ever written with."""

import io
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

from streamgauge.schemas.errors import BadEvent, Reason

#: First two bytes of Avro's single-object encoding; 8 bytes of fingerprint follow.
SINGLE_OBJECT = b"\xc3\x01"

_DETAIL = 500
_AVRO_ERRORS = (EOFError, IndexError, KeyError, OverflowError, TypeError, ValueError)


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """One `.avsc`: as written (`document`) and as fastavro reads with it (`parsed`).

    `parsed` knows no logical types: times stay integers, so that a hostile one cannot raise. `fingerprint`
    is CRC-64-AVRO, 8 bytes little-endian, of the parsing canonical form.
    """

    name: str
    document: dict[str, Any]
    parsed: Any
    fingerprint: bytes

    @classmethod
    def of(cls, name: str, document: dict[str, Any]) -> "Schema":
        parsed = fastavro.parse_schema(_without_logical_types(document))
        canonical = to_parsing_canonical_form(parsed)
        return cls(name, document, parsed, bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO")))

    def write(self, datum: dict[str, Any]) -> bytes:
        """A datum in single-object encoding."""
        out = io.BytesIO()
        out.write(SINGLE_OBJECT)
        out.write(self.fingerprint)
        fastavro.schemaless_writer(out, self.parsed, datum, strict_allow_default=True)
        return out.getvalue()

    def read(self, body: bytes, start: int, writer: "Schema") -> Any:
        """The datum at `start`, which must reach the end of `body`, as this schema sees it.

        Raises `BadEvent` (undecodable). Memory is bounded by the body: lengths are compared with what is
        there before anything is made of them, and neither schema recurses.
        """
        source = io.BytesIO(body)
        source.seek(start)
        try:
            datum = fastavro.schemaless_reader(
                source, writer.parsed, None if writer.fingerprint == self.fingerprint else self.parsed
            )
        except fastavro.read.SchemaResolutionError as error:
            raise BadEvent(
                Reason.WRONG_TYPE, f"schema {writer.name} cannot be read as {self.name}: {error}"[:_DETAIL]
            ) from error
        except _AVRO_ERRORS as error:
            raise BadEvent(Reason.UNDECODABLE, f"not a {self.name} in Avro: {error}") from error
        if source.tell() != len(body):
            raise BadEvent(Reason.UNDECODABLE, f"{len(body) - source.tell()} bytes follow the Avro datum")
        return datum


@cache
def schema(name: str) -> Schema:
    """The schema in force, by the name of its file: ``prediction``, ``alert``, …

    >>> schema("prediction").fingerprint.hex()
    '4cc2057b52d523d6'
    """
    return _load(name, files("streamgauge.schemas") / "avro" / f"{name}.avsc")


@cache
def released() -> dict[str, dict[str, Schema]]:
    """Schemas by name, then by the version that released them, oldest first."""
    folders = [entry for entry in (files("streamgauge.schemas") / "released").iterdir() if entry.is_dir()]
    folders.sort(key=lambda folder: tuple(map(int, folder.name.split("."))))
    found: dict[str, dict[str, Schema]] = {}
    for folder in folders:
        for entry in folder.iterdir():
            if entry.name.endswith(".avsc"):
                name = entry.name.removesuffix(".avsc")
                found.setdefault(name, {})[folder.name] = _load(name, entry)
    return found


@cache
def writers() -> dict[bytes, Schema]:
    """Every schema that a sender may have written with, by fingerprint."""
    known = {old.fingerprint: old for versions in released().values() for old in versions.values()}
    for entry in (files("streamgauge.schemas") / "avro").iterdir():
        if entry.name.endswith(".avsc"):
            current = schema(entry.name.removesuffix(".avsc"))
            known[current.fingerprint] = current
    return known


def _load(name: str, source: Traversable) -> Schema:
    return Schema.of(name, json.loads(source.read_text("utf-8")))


def _without_logical_types(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_logical_types(value) for key, value in node.items() if key != "logicalType"}
    if isinstance(node, list):
        return [_without_logical_types(item) for item in node]
    return node

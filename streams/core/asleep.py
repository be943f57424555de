"""`Asleep`: models as the snapshots that they were restored from, each decoded when something concerns it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from streamgauge.schemas.errors import StateError
from streamgauge.streams.core.brief import Brief
from streamgauge.streams.core.cold_store import Get, Records
from streamgauge.streams.core.context import Context
from streamgauge.streams.core.model import ModelState
from streamgauge.streams.core.persistence import COMMON, MODEL, PARTS, restore_model
from streamgauge.streams.core.snapshot import check_form


@dataclass(slots=True)
class _Records:
    keys: list[bytes] = field(default_factory=list)
    brief: Brief | None = None


class Asleep:
    """What a partition found of its models; with `get`, only keys are held in memory."""

    def __init__(self, get: Get | None = None) -> None:
        self._get = get
        self._held: dict[bytes, bytes] = {}
        self._models: dict[str, _Records] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._models

    def __len__(self) -> int:
        return len(self._models)

    def add(self, kind: str, name: str, key: bytes, snapshot: bytes) -> None:
        """One record of a model. Raises `StateError` if it cannot be read."""
        check_form(snapshot)
        records = self._models.setdefault(name, _Records())
        records.keys.append(key)
        if kind == MODEL:
            records.brief = Brief.read(snapshot)
        if self._get is None:
            self._held[key] = snapshot

    def keys(self) -> Iterator[bytes]:
        """Of all records."""
        for records in self._models.values():
            yield from records.keys

    def briefs(self) -> Iterable[tuple[str, Brief]]:
        """What is known of each. Raises `StateError` if there are parts without their model."""
        for name, records in self._models.items():
            if records.brief is None:
                raise StateError(f"the state topic has parts of {name!r}, but not the model itself")
            yield name, records.brief

    def wake(self, name: str, context: Context) -> ModelState:
        """The model, which is asleep no more. Raises `StateError`."""
        records = self._models.pop(name)
        model = restore_model(name, {key: self._read(key) for key in records.keys}, context)
        assert records.brief is not None
        model.awaits_round = records.brief.awaits_round
        return model

    def drop(self, name: str) -> None:
        """The model is not wanted any more."""
        for key in self._models.pop(name).keys:
            self._held.pop(key, None)

    def _read(self, key: bytes) -> Callable[[], bytes]:
        if self._get is None:
            snapshot = self._held.pop(key)
            return lambda: snapshot
        get = self._get

        def read() -> bytes:
            found = get(key)
            if found is None:
                raise StateError(f"the local state lacks {key.decode()}: start the worker again")
            return found

        return read


def sort_out(records: Records, get: Get | None) -> tuple[Asleep, dict[bytes, bytes], set[bytes]]:
    """Models, what is of the whole partition, and keys of kinds that are not known. Raises `StateError`."""
    asleep, common, unknown = Asleep(get), dict[bytes, bytes](), set[bytes]()
    for key, snapshot in records:
        try:
            kind, *names = msgspec.json.decode(key)
        except (ValueError, TypeError) as error:
            raise StateError(f"a record of the state topic has the key {key[:80]!r}: {error}") from error
        if kind in PARTS:
            asleep.add(kind, names[0], key, snapshot)
        elif kind in COMMON:
            common[key] = snapshot
        else:
            unknown.add(key)
    return asleep, common, unknown

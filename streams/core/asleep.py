"""`Asleep`: models as the snapshots that they were stored as, each decoded when something concerns it."""

from collections.abc import Callable, Iterable, Iterator

from streamgauge.schemas.errors import StateError
from streamgauge.streams.core.brief import Brief
from streamgauge.streams.core.context import Context
from streamgauge.streams.core.model import ModelState
from streamgauge.streams.core.persistence import BRIEF, COMMON, PARTS, restore_model
from streamgauge.streams.core.shelf import Found, Shelf, beginning, kinds, parts_in
from streamgauge.streams.core.snapshot import check_form

#: Keys and snapshots.
Records = Iterable[tuple[bytes, bytes]]


class Asleep:
    """What is known of each model; the rest is on the `shelf` or, without one, held here as bytes."""

    def __init__(self, shelf: Shelf | None = None) -> None:
        self._shelf = shelf
        self._held: dict[str, dict[bytes, bytes]] = {}
        #: Memory that it takes.
        self.held_bytes = 0
        self._briefs: dict[str, Brief] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._briefs

    def __len__(self) -> int:
        return len(self._briefs)

    def hold(self, kind: str, name: str, key: bytes, snapshot: bytes) -> None:
        """One record of a model, for want of a shelf. Raises `StateError` if it cannot be read."""
        check_form(snapshot)
        self._held.setdefault(name, {})[key] = snapshot
        self.held_bytes += len(snapshot)
        if kind == BRIEF:
            self.add(name, Brief.read(snapshot))

    def add(self, name: str, brief: Brief) -> None:
        """A model whose records are all on the shelf."""
        self._briefs[name] = brief

    def briefs(self) -> Iterable[tuple[str, Brief]]:
        """What is known of each. Raises `StateError` if there are parts without their model."""
        for name in self._held.keys() - self._briefs.keys():
            raise StateError(f"the state topic has parts of {name!r}, but not the model itself")
        return self._briefs.items()

    def wake(self, name: str, context: Context) -> tuple[ModelState, set[bytes]]:
        """The model, which is asleep no more, and the keys of its records. Raises `StateError`."""
        brief, keys = self._briefs.pop(name), set[bytes]()
        model = restore_model(name, _noted(self._records(name), keys), context)
        model.awaits_round = brief.awaits_round
        return model, keys

    def _records(self, name: str) -> Found:
        if self._shelf is None:
            for key, snapshot in self._held.pop(name).items():
                self.held_bytes -= len(snapshot)
                yield key, lambda snapshot=snapshot: snapshot  # type: ignore[misc]
        else:
            for kind in sorted(PARTS):
                yield from self._shelf.scan(beginning(kind, name))


def sort_out(records: Records) -> tuple[Asleep, dict[bytes, bytes], set[bytes]]:
    """Models, what is of the whole partition, and keys of kinds that are not known. Raises `StateError`."""
    asleep, common, unknown = Asleep(), dict[bytes, bytes](), set[bytes]()
    for key, snapshot in records:
        kind, *names = parts_in(key)
        if kind in PARTS:
            asleep.hold(kind, names[0], key, snapshot)
        elif kind in COMMON:
            common[key] = snapshot
        else:
            unknown.add(key)
    return asleep, common, unknown


def look_over(shelf: Shelf) -> tuple[Asleep, dict[bytes, bytes], set[bytes]]:
    """As `sort_out`, without a look at what models are made of."""
    asleep, common, unknown = Asleep(shelf), dict[bytes, bytes](), set[bytes]()
    for kind in kinds(shelf):
        if kind == BRIEF:
            for key, snapshot in shelf.scan(beginning(BRIEF)):
                asleep.add(parts_in(key)[1], Brief.read(snapshot()))
        elif kind in COMMON:
            common.update((key, snapshot()) for key, snapshot in shelf.scan(beginning(kind)))
        elif kind not in PARTS:
            unknown.update(key for key, _ in shelf.scan(beginning(kind)))
    return asleep, common, unknown


def _noted(records: Found, keys: set[bytes]) -> Iterator[tuple[bytes, Callable[[], bytes]]]:
    for key, snapshot in records:
        keys.add(key)
        yield key, snapshot

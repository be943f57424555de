"""Each release's snapshot restores and goes on as that release would have; what is written now can be read by
the release before."""

import json
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from streamgauge import __version__
from streamgauge.schemas.errors import StateError
from streamgauge.streams.core import snapshot
from streamgauge.streams.core.persistence import restore_told
from streamgauge.streams.core.snapshot import decode_state, encode_state
from tests.upgrades.stored import FOLDER, StoredSnapshot, written_now

RELEASES = sorted(FOLDER.glob("*.snapshot"), key=lambda path: Version(path.stem))
AGAIN = "If that is meant: `python -m tests.upgrades write`, or `accept` for older releases; CONTRIBUTING.md"


@cache
def present() -> StoredSnapshot:
    return written_now(__version__)


def test_the_present_release_has_a_snapshot() -> None:
    assert __version__ in [path.stem for path in RELEASES], AGAIN


@pytest.mark.parametrize("path", RELEASES, ids=lambda path: path.stem)
def test_a_snapshot_of_every_release_restores_and_goes_on_exactly(path: Path) -> None:
    stored = StoredSnapshot.read(path)
    for minute, (expected, told) in enumerate(zip(stored.told, stored.retold().told, strict=True)):
        assert len(told) == len(expected), f"minute {minute}. {AGAIN}"
        for was, now in zip(expected, told, strict=True):
            assert _same(list(was), list(now)), f"minute {minute}: {was} became {now}. {AGAIN}"


def test_a_restart_changes_nothing_of_what_is_told() -> None:
    assert present().retold().told == present().told


def test_the_snapshot_holds_all_there_is_to_hold() -> None:
    kinds = {json.loads(key)[0] for key in present().records}
    assert kinds == {
        *("applied", "fleet", "brief", "model", "reference", "profile", "learning", "window", "rollup"),
        *("predictions", "labels", "waiting", "retired"),
    }
    models = {
        json.loads(key)[1]: decode_state(value)
        for key, value in present().records.items()
        if key.startswith(b'["model"')
    }
    states = {episode["state"] for model in models.values() for episode in model["alerts"]["open"]}
    assert states >= {"opened", "updated", "acknowledged"}, states
    assert {model["retrain"]["state"] for model in models.values()} == {"none", "requested", "accepted"}
    assert models["credit"]["join"]["counts"]["waiting"] > 0
    assert models["credit"]["comparisons"]
    assert len(models["named"]["versions"]) == 2
    assert models["prices"]["alerts"]["silences"]
    assert len(restore_told(present().records)[1]) == 1


@pytest.mark.parametrize("path", RELEASES[-2:], ids=lambda path: path.stem)
def test_the_release_before_can_read_what_is_written_now(path: Path) -> None:
    """It asks for what its own snapshots have, and leaves alone what it does not know."""
    stored = StoredSnapshot.read(path)
    for key, value in stored.records.items():
        assert key in present().records, f"{key!r} is not written any more"
        lacks = list(_lacks(decode_state(value), decode_state(present().records[key])))
        assert not lacks, f"{key!r}: {lacks[:3]}. docs/adr/0019 says how the form may change"


def test_a_form_that_is_not_known_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    known = encode_state({"n": 1})
    for number, advice in ((max(snapshot.READS) + 1, "release that wrote it"), (0, "release in between")):
        monkeypatch.setattr(snapshot, "FORMAT", number)
        unknown = encode_state({"n": 1})
        monkeypatch.undo()
        with pytest.raises(StateError, match=advice):
            decode_state(unknown)
    assert decode_state(known) == {"n": 1}


def _same(was: Any, now: Any) -> bool:
    """Numbers may differ by what another processor's logarithm does to them."""
    if isinstance(was, dict) and isinstance(now, dict):
        return all(name in now and _same(value, now[name]) for name, value in was.items())
    if isinstance(was, list | tuple) and isinstance(now, list | tuple):
        return len(was) == len(now) and all(map(_same, was, now))
    if isinstance(was, float) and isinstance(now, float):
        return math.isclose(was, now, rel_tol=1e-9, abs_tol=1e-12)
    return bool(was == now)


def _lacks(was: Any, now: Any, path: str = "") -> Iterator[str]:
    """What a reader of `was` would miss in `now`: names, places in a row, other types."""
    if isinstance(was, dict):
        if not isinstance(now, dict):
            yield f"{path} is no map"
            return
        for name, value in was.items():
            if name in now:
                yield from _lacks(value, now[name], f"{path}/{name}")
            else:
                yield f"{path}/{name} is gone"
    elif isinstance(was, list):
        if not isinstance(now, list) or len(was) != len(now):
            yield f"{path} is another row"
            return
        for place, (old, new) in enumerate(zip(was, now, strict=True)):
            yield from _lacks(old, new, f"{path}/{place}")
    elif was is not None and now is not None and type(was) is not type(now):
        yield f"{path} was a {type(was).__name__}"

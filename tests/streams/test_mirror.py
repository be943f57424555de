"""The mirror of a partition of `state` on the local disk: what it keeps, and when it is not to be trusted."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.schemas.errors import ConfigurationError, StateError
from streamgauge.streams.mirror import OLDEST_S, Mirror
from streamgauge.streams.mirrors import Mirrors
from streamgauge.streams.records import RecordWriter, StateRecord
from streamgauge.streams.settings import check_state_dir
from streamgauge.streams.store import LogBounds, MirrorError
from streamgauge.streams.worker_checks import disk
from tests.examples import examples
from tests.harness import ROOT, wait_until

NOW_S = 1_800_000_000.0
TOPIC, PARTITION = "streamgauge.state", 3
IDENTITY = "cluster/topic"


@dataclass
class Log:
    """A partition of the topic as a consumer reads it: (offset, record)."""

    records: list[tuple[int, StateRecord]]
    end: int = 1_000_000

    def after(self, position: int) -> "list[Read]":
        return [Read(offset, record) for offset, record in self.records if offset >= position]


@dataclass
class Read:
    """What the consumer gives of a record."""

    at: int
    record: StateRecord

    def key(self) -> bytes:
        return self.record.key

    def value(self) -> bytes | None:
        return self.record.value

    def headers(self) -> list[tuple[str, bytes]]:
        return self.record.headers

    def offset(self) -> int:
        return self.at


def opened(
    directory: Path, *, now_s: float = NOW_S, identity: str = IDENTITY, end: int = 1_000_000
) -> tuple[Mirror, int]:
    mirror = Mirrors(directory, lambda: None, lambda: now_s).of(TOPIC, PARTITION)
    return mirror, mirror.open(lambda: identity, LogBounds(0, end))


def filled(directory: Path) -> None:
    """One that has read up to offset 9, and holds one key."""
    mirror, position = opened(directory)
    assert position == -1
    mirror.committed([StateRecord(b"a", b"first")], 10)
    mirror.close()


def test_what_was_committed_is_there_at_the_next_start(tmp_path: Path) -> None:
    mirror, _ = opened(tmp_path)
    large = b"x" * 1_200_000
    mirror.committed(mirror.write([(b"a", b"first"), (b"b", large), (b"c", b"gone")]), 10)
    mirror.committed(mirror.write([(b"a", b"second"), (b"c", None)]), 12)
    mirror.close()
    again, position = opened(tmp_path)
    assert position == 12
    assert dict(again.snapshots()) == {b"a": b"second", b"b": large}
    # parts that a smaller snapshot leaves behind are deleted, those of an earlier run too
    assert [r.key for r in again.write([(b"b", b"small")]) if r.value is None] == [
        b"\xffpart\0\0\0\1b",
        b"\xffpart\0\0\0\2b",
    ]
    again.close()


@pytest.mark.parametrize(
    "changed",
    [
        {"now_s": NOW_S + OLDEST_S + 1},  # deletions may have been compacted away
        {"now_s": NOW_S - OLDEST_S - 1},  # a clock that was wrong says nothing about its age
        {"identity": "cluster/another"},  # the topic was created again, or the cluster is another
        {"end": 9},  # the log is shorter than what was read of it
    ],
)
def test_a_mirror_that_may_be_wrong_is_wiped(tmp_path: Path, changed: dict[str, float]) -> None:
    filled(tmp_path)
    mirror, position = opened(tmp_path, **changed)  # type: ignore[arg-type]
    assert position == -1
    assert dict(mirror.snapshots()) == {}
    mirror.close()


def test_a_mirror_that_is_young_enough_is_kept(tmp_path: Path) -> None:
    filled(tmp_path)
    mirror, position = opened(tmp_path, now_s=NOW_S + OLDEST_S - 1, end=10)
    assert (position, dict(mirror.snapshots())) == (10, {b"a": b"first"})
    mirror.close()


def test_records_whose_offset_is_unknown_are_kept_and_read_again(tmp_path: Path) -> None:
    filled(tmp_path)
    mirror, _ = opened(tmp_path)
    mirror.committed([StateRecord(b"a", b"second"), StateRecord(b"b", b"new")], None)
    mirror.close()
    again, position = opened(tmp_path)
    assert position == 10
    again.read([Read(10, StateRecord(b"a", b"second")), Read(11, StateRecord(b"b", b"new"))])  # type: ignore[list-item]
    assert dict(again.snapshots()) == {b"a": b"second", b"b": b"new"}
    again.close()


changes = st.lists(
    st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.none() | st.binary(max_size=9)), max_size=4
)


@examples(40)
@given(transactions=st.lists(changes, min_size=1, max_size=8), kept=st.integers(0, 8), back=st.integers(0, 3))
def test_the_log_from_any_earlier_offset_leads_to_the_same_state(
    tmp_path_factory: pytest.TempPathFactory,
    transactions: list[list[tuple[bytes, bytes | None]]],
    kept: int,
    back: int,
) -> None:
    """A position may be behind the records that lie there: each is read again, in order."""
    writer, log, commits = RecordWriter(4), Log([]), []
    for transaction in transactions:
        records = list(writer.write(transaction))
        log.records += [(len(log.records) + n, record) for n, record in enumerate(records)]
        commits.append((records, len(log.records)))
    directory = tmp_path_factory.mktemp("mirror")
    mirror, _ = opened(directory)
    known = commits[: max(0, kept - back)]
    for records, position in commits[:kept]:
        mirror.committed(records, position if (records, position) in known else None)
    mirror.close()
    again, position = opened(directory)
    rest = log.after(position)
    if rest:
        again.read(rest)  # type: ignore[arg-type]
    expected = {key: value for change in transactions for key, value in change}
    assert dict(again.snapshots()) == {key: value for key, value in expected.items() if value is not None}
    again.close()


def test_a_snapshot_whose_part_is_not_there_is_refused(tmp_path: Path) -> None:
    mirror, _ = opened(tmp_path)
    mirror.committed([StateRecord(b"a", b"first", parts=2)], 1)
    with pytest.raises(StateError, match="part 1 of 2"):
        list(mirror.snapshots())
    mirror.close()


def test_a_commit_of_many_batches_that_fails_on_its_way_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamgauge.streams.mirror._BATCH_BYTES", 20)
    mirror, _ = opened(tmp_path)
    first = [StateRecord(b"%d" % n, b"as it was") for n in range(6)]
    mirror.committed(first, 7)
    written, write = [], mirror._write

    def write_two(batch: object, position: int) -> None:
        if len(written) == 2:
            raise OSError("no space left on device")
        written.append(position)
        write(batch, position)

    monkeypatch.setattr(mirror, "_write", write_two)
    later = [StateRecord(b"%d" % n, b"as it is now") for n in range(6)]
    mirror.committed(later, 14)
    assert written == [7, 7]  # or a start would believe that it has all of them
    assert not mirror.holds_all
    mirror.close()
    mirror, position = opened(tmp_path)
    assert position == 7
    mirror.read(Log([(n + 7, record) for n, record in enumerate(later)]).after(7))
    assert dict(mirror.snapshots()) == {record.key: record.value for record in later}
    mirror.close()


def run_child(body: str, directory: Path) -> subprocess.Popen[str]:
    names = f"from tests.streams.test_mirror import *\ndirectory = Path({str(directory)!r})\n"
    return subprocess.Popen([sys.executable, "-c", names + body], cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_after_a_kill_it_holds_all_up_to_one_commit_and_nothing_of_those_after(tmp_path: Path) -> None:
    """Commit n writes n to a counter and to a key of its own, so any gap would show."""
    child = run_child(
        """
mirror, _ = opened(directory)
n = 0
while True:
    n += 1
    records = [StateRecord(b"counter", b"%d" % n), StateRecord(b"%09d" % n, os.urandom(20_000))]
    mirror.committed(records, 2 * n)
    if n == 1_500:
        print("enough", flush=True)
""",
        tmp_path,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "enough\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    mirror, position = opened(tmp_path)
    found = dict(mirror.snapshots())
    mirror.close()
    count = int(found.pop(b"counter"))
    assert count >= 400  # of a buffer of 8 MB that was full at least once
    assert position == 2 * count
    assert sorted(found) == [b"%09d" % n for n in range(1, count + 1)]


@pytest.mark.slow
def test_a_full_disk_costs_no_state_and_is_told_once(tmp_path: Path) -> None:
    child = run_child(
        """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))  # every file is full at a megabyte
told = []
mirror = Mirrors(directory, lambda: told.append(1), lambda: NOW_S).of(TOPIC, PARTITION)
mirror.open(lambda: IDENTITY, LogBounds(0, 1_000_000))
for n in range(2_000):
    mirror.committed(mirror.write([(b"%09d" % n, os.urandom(20_000))]), n + 1)
mirror.close()
print(len(told))
""",
        tmp_path,
    )
    said, _ = child.communicate(timeout=60)
    assert (child.returncode, said.splitlines()[-1]) == (0, "1")
    mirror, position = opened(tmp_path)  # what it holds is still all up to one commit
    assert sorted(dict(mirror.snapshots())) == [b"%09d" % n for n in range(max(0, position))]
    mirror.close()


def damaged(tmp_path: Path) -> Mirror:
    """One of 200 records, opened anew after a byte in the middle of its file has turned."""
    mirror, _ = opened(tmp_path)
    mirror.committed([StateRecord(b"%d" % n, os.urandom(5_000)) for n in range(200)], 200)
    mirror.close()
    (table,) = sorted(tmp_path.rglob("*.sst"))
    held = bytearray(table.read_bytes())
    held[len(held) // 2] ^= 0xFF
    table.write_bytes(held)
    again, position = opened(tmp_path)
    assert position == 200
    return again


def test_damage_on_disk_is_an_error_of_the_mirror_and_not_of_the_state(tmp_path: Path) -> None:
    again = damaged(tmp_path)
    with pytest.raises(MirrorError):
        list(again.snapshots())
    again.wipe()
    afresh, position = opened(tmp_path)
    assert (position, dict(afresh.snapshots())) == (-1, {})
    afresh.close()


def test_records_are_found_by_how_their_keys_begin(tmp_path: Path) -> None:
    mirror, _ = opened(tmp_path)
    large = b"x" * 1_200_000
    held = {b'["model","a"]': b"1", b'["model","ab"]': large, b'["window","a",5]': b"3", b"\xfe": b"4"}
    mirror.committed(mirror.write(held.items()), 10)
    assert {key: value() for key, value in mirror.scan(b'["model"')} == dict(list(held.items())[:2])
    assert [key for key, _ in mirror.scan(b'["model","a"')] == [b'["model","a"]']
    assert mirror.first_from(b"") == b'["model","a"]'
    assert mirror.first_from(b'["model#') == b'["window","a",5]'
    assert mirror.first_from(b"\xfe") == b"\xfe"
    assert mirror.first_from(b"\xfe\x00") is None  # parts of large ones are none
    mirror.close()


def test_a_mirror_of_which_something_could_not_be_read_later_is_made_anew_at_the_next_start(
    tmp_path: Path,
) -> None:
    """A start does not look at all of it: it would find the same damage again and again."""
    again = damaged(tmp_path)
    with pytest.raises(MirrorError):
        [again.get(b"%d" % n) for n in range(200)]
    again.close()
    afresh, position = opened(tmp_path)
    assert (position, dict(afresh.snapshots())) == (-1, {})
    afresh.committed([StateRecord(b"a", b"first")], 10)
    afresh.close()
    kept, position = opened(tmp_path)
    assert (position, dict(kept.snapshots())) == (10, {b"a": b"first"})
    kept.close()


def test_all_mirrors_of_a_worker_share_their_memory(tmp_path: Path) -> None:
    mirrors = Mirrors(tmp_path, lambda: None, memory_bytes=16_000_000)
    several = [mirrors.of(TOPIC, number) for number in range(4)]
    for mirror in several:
        mirror.open(lambda: IDENTITY, LogBounds(0, 1_000_000))
    for commit in range(30):  # 7 MB to each, less than a buffer of its own would hold
        for mirror in several:
            mirror.committed([StateRecord(b"%d" % n, os.urandom(5_000)) for n in range(50)], commit)
    wait_until(lambda: mirrors._buffers.manager.get_usage() < 16_000_000)  # written in the background
    for mirror in several:
        mirror.close()


def test_a_mirror_that_another_version_wrote_is_wiped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamgauge.streams.mirror.FORMAT", 99)
    filled(tmp_path)
    monkeypatch.undo()
    mirror, position = opened(tmp_path)
    assert position == -1
    mirror.close()


def test_a_directory_that_cannot_be_written_is_refused_at_the_start(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    with pytest.raises(ConfigurationError, match="STREAMGAUGE_STATE_DIR"):
        check_state_dir(blocked / "state")
    check_state_dir(tmp_path / "new" / "state")
    check_state_dir(None)


def test_the_doctor_says_what_the_directory_holds_and_what_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "held").write_bytes(b"x" * 3_000_000)
    found = disk(tmp_path)
    assert found.check == "disk"
    assert "holds 3 MB of mirrored state" in found.what
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=2_000_000))
    found = disk(tmp_path)
    assert (found.status, "2 MB are free" in found.what) == ("warn", True)
    assert disk(tmp_path / "held" / "state").status == "fail"


def test_a_mirror_that_another_process_has_open_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamgauge.streams.mirror._LOCK_S", 0.0)
    filled(tmp_path)
    first, _ = opened(tmp_path)
    second = Mirrors(tmp_path, lambda: None).of(TOPIC, PARTITION)
    with pytest.raises(MirrorError, match="lock"):
        second.open(lambda: IDENTITY, LogBounds(0, 1_000_000))
    second.wipe()
    assert dict(first.snapshots()) == {b"a": b"first"}
    first.close()

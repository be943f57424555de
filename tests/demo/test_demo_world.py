"""The demo's traffic: reproducible, honest about its rows, with labels in every way that labels come."""

from collections import Counter

import numpy as np
import pytest

from streamgauge.demo.faults import MINUTE_US, draw_faults
from streamgauge.demo.scoring import LinearModel
from streamgauge.demo.world import LATEST_US, QUIET_US, SPAN_US, Block, Timeline, World
from streamgauge.schemas.batch import Categories

START_US = 1_763_712_000_000_000


def _world(seed: int = 5, *, with_faults: bool = True) -> World:
    return World(seed, Timeline(START_US, predictions_per_s=4.0), with_faults=with_faults)


@pytest.fixture(scope="module")
def blocks() -> list[Block]:
    return list(_world().blocks())


@pytest.mark.slow
def test_the_same_seed_gives_the_same_traffic() -> None:
    for mine, yours in zip(_world().blocks(), _world().blocks(), strict=True):
        assert [r.ids.tobytes() for r in mine.requests] == [r.ids.tobytes() for r in yours.requests]
        assert [g.time_us.tobytes() for g in mine.labels] == [g.time_us.tobytes() for g in yours.labels]
        assert [r.latency_ms.tobytes() for r in mine.requests] == [
            r.latency_ms.tobytes() for r in yours.requests
        ]


@pytest.mark.slow
def test_events_leave_in_the_block_of_their_time(blocks: list[Block]) -> None:
    assert blocks[0].start_us == START_US
    assert blocks[-1].end_us == START_US + SPAN_US
    for block in blocks:
        for events in (*block.requests, *block.labels):
            assert (np.diff(events.time_us) >= 0).all()
            assert events.time_us[0] >= block.start_us or block is blocks[0]
            assert events.time_us[-1] < block.end_us


def test_a_model_never_serves_a_row_it_learned_from() -> None:
    # 1,250 sites, 60 % learned: 500 are left. Serving from all would show up here.
    assert {s.name: len(s.rows) for s in _world().services} == {
        "phishing": 500,
        "approval": 401,
        "credit": 3200,
    }


def test_labels_come_late_early_twice_corrected_and_retracted(blocks: list[Block]) -> None:
    made = {
        id_: t
        for block in blocks
        for requests in block.requests
        for id_, t in zip(requests.ids.tolist(), requests.time_us.tolist(), strict=True)
    }
    seen: Counter[tuple[bytes, int]] = Counter()
    early = retracted = corrected = 0
    for block in blocks:
        for labels in block.labels:
            rows = zip(
                labels.ids.tolist(),
                labels.time_us.tolist(),
                labels.revision.tolist(),
                labels.retracted.tolist(),
                strict=True,
            )
            for id_, t, revision, taken_back in rows:
                seen[id_, revision] += 1
                early += t < made.get(id_, 0)
                retracted += taken_back
                corrected += revision == 1 and not taken_back
    n = len(made)
    assert 0.88 < len({id_ for id_, _ in seen}) / n < 0.94
    assert 0.01 < early / n < 0.03
    assert 0.01 < sum(count == 2 for count in seen.values()) / n < 0.05
    assert 0.01 < corrected / n < 0.03
    assert 0.001 < retracted / n < 0.006


def test_a_failed_request_has_no_prediction_and_no_label(blocks: list[Block]) -> None:
    batches = [requests.to_batch() for block in blocks for requests in block.requests]
    failed = {id_ for batch in batches for id_ in batch.ids[batch.failed].tolist()}
    labelled = {id_ for block in blocks for labels in block.labels for id_ in labels.ids.tolist()}
    assert failed
    assert not failed & labelled
    for batch in batches:
        if isinstance(batch.prediction, Categories):
            assert (batch.prediction.codes[batch.failed] == -1).all()
        else:
            assert np.isnan(batch.prediction[batch.failed]).all()


def test_ids_are_version_7_uuids_of_the_prediction_time(blocks: list[Block]) -> None:
    requests = blocks[0].requests[0]
    octets = np.frombuffer(requests.ids.tobytes(), dtype=np.uint8).reshape(-1, 16)
    assert (octets[:, 6] >> 4 == 7).all()
    assert (octets[:, 8] >> 6 == 2).all()
    milliseconds = np.array([int.from_bytes(row[:6].tobytes(), "big") for row in octets])
    assert (milliseconds == requests.time_us // 1000).all()


@pytest.mark.parametrize("seed", range(20))
def test_faults_leave_time_to_learn_before_and_to_recover_after(seed: int) -> None:
    faults = draw_faults(seed, START_US, QUIET_US, LATEST_US, SPAN_US)
    assert sorted(f.kind for f in faults) == ["concept", "group", "latency", "unit"]
    assert [f.start_us for f in faults] == sorted(f.start_us for f in faults)
    assert all(START_US + QUIET_US <= f.start_us < START_US + LATEST_US for f in faults)
    assert [f.kind for f in faults if f.stays] == [faults[0].kind] == ["concept"]
    assert all(f.end_us <= START_US + SPAN_US - 40 * MINUTE_US for f in faults if not f.stays)
    heavy = [f.model for f in faults if f.kind != "latency"]
    assert len(set(heavy)) == 3


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_each_fault_does_to_the_traffic_what_its_story_says(seed: int) -> None:
    world = _world(seed)
    blocks = list(world.blocks())
    for fault in world.faults:
        during, before = (
            [r for b in blocks if lo <= b.start_us < hi for r in b.requests if r.service.name == fault.model]
            for lo, hi in ((fault.start_us, fault.end_us), (START_US, START_US + QUIET_US))
        )
        if fault.kind == "latency":
            slowed = np.median(np.concatenate([r.latency_ms for r in during]))
            assert slowed > 6 * np.median(np.concatenate([r.latency_ms for r in before]))
        elif fault.kind == "unit":
            means = [
                np.mean([np.mean(r.to_batch().features[fault.target]) for r in rs]) for rs in (during, before)
            ]  # type: ignore[arg-type]
            assert abs(np.log(means[0] / means[1])) == pytest.approx(abs(np.log(fault.size)), abs=0.3)
        elif fault.kind == "group":
            rates = []
            for rs in (during, before):
                batches = [r.to_batch() for r in rs]
                member = np.concatenate(
                    [np.array(b.groups["age_band"].to_list()) == fault.target for b in batches]
                )
                approved = np.concatenate([b.prediction.codes == 1 for b in batches])  # type: ignore[union-attr]
                rates.append(approved[member].mean())
            assert rates[0] < 0.5 * rates[1]
        else:
            errors = [np.mean(np.concatenate([_wrong(r) for r in rs])) for rs in (during, before)]
            assert errors[0] > 2 * errors[1]


@pytest.mark.slow
def test_without_faults_nothing_changes() -> None:
    world = _world(with_faults=False)
    assert world.faults == ()
    pools = {(r.service.name, id(r.pool)) for block in world.blocks() for r in block.requests}
    assert len(pools) == 3


@pytest.mark.slow
def test_a_new_version_answers_its_share_and_changes_nothing_else() -> None:
    plain, shared = _world().blocks(), _world()
    always = LinearModel({}, 9.0, {}, {})  # says approved to whatever it is asked
    for number, (before, block) in enumerate(zip(plain, shared.blocks(), strict=True)):
        if number == 400:
            shared.deploy("credit", "8", always)
        if number == 800:
            shared.settle("credit", "8")
        of_credit = [r for r in block.requests if r.service.name == "credit"]
        asked = {id_ for r in of_credit for id_ in r.ids.tolist()}
        assert asked == {i for r in before.requests if r.service.name == "credit" for i in r.ids.tolist()}
        assert [g.ids.tobytes() for g in block.labels] == [g.ids.tobytes() for g in before.labels]
        versions = {r.service.version for r in of_credit}
        assert versions == {"7"} if number <= 400 else versions <= {"7", "8"} if number <= 800 else {"8"}
        for r in of_credit:
            if r.service.version == "8":
                assert (r.to_batch().prediction.codes[~r.failed] == 1).all()  # type: ignore[union-attr]


def _wrong(requests):  # type: ignore[no-untyped-def]
    pool = requests.pool
    if isinstance(pool.label, Categories):
        return (pool.prediction.codes != pool.label.codes)[requests.rows]
    return np.abs(pool.prediction - pool.label)[requests.rows]

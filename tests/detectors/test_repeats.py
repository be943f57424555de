"""How likely a value repeats, and what a run of one value is worth: never more than the promise."""

import numpy as np
import pytest

from streamgauge.detectors.baseline import build_profile, repeat_profile
from streamgauge.detectors.binning import FeatureBinner
from streamgauge.detectors.evidence.looks import LOOK, Looks
from streamgauge.detectors.evidence.repeat_keys import may_repeat, repeatable
from streamgauge.detectors.evidence.repeats import RepeatEvidence
from streamgauge.schemas.batch import Categories


def sticky(rng, n, stay, values):
    """A value stays with this chance, else it is drawn anew."""
    drawn = rng.integers(0, values, n)
    at = np.maximum.accumulate(np.where(rng.random(n) < stay, 0, np.arange(n)))
    return drawn[at].astype(float)


STREAMS = {
    "a flag": lambda rng, n: (rng.random(n) < 0.5).astype(float),
    "nearly always zero": lambda rng, n: np.where(rng.random(n) < 0.95, 0.0, rng.random(n)),
    "seven integers": lambda rng, n: rng.integers(0, 7, n).astype(float),
    "a value that stays for twenty rows": lambda rng, n: sticky(rng, n, 0.95, 50),
    "a flag that stays for a hundred rows": lambda rng, n: sticky(rng, n, 0.98, 2),
    "zero for long, or anything": lambda rng, n: np.where(sticky(rng, n, 0.97, 2) > 0, 0.0, rng.random(n)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_that_does_as_it_did_raises_no_alarm(name):
    alarms = 0
    for seed in range(40):
        values = STREAMS[name](np.random.default_rng(seed), 25_000)
        profile = build_profile({"x": values[:5_000]})
        binner = FeatureBinner(profile.features)
        evidence = RepeatEvidence([profile.features["x"].repeats], 1, 0.05)
        keys = repeatable(binner.bins({"x": values[5_000:]}), binner)
        evidence.update_many(keys, np.arange(20_000), 0.05 * np.arange(20_000) / 20_000)
        alarms += bool(evidence.take_alarms())
    assert alarms <= 3


def test_the_value_that_repeats_most_says_how_likely_a_run_is():
    rng = np.random.default_rng(1)
    values = np.where(rng.random(5_000) < 0.9, 0.0, rng.random(5_000))
    rate = build_profile({"x": values}).features["x"].repeats
    after_zero = values[1:][values[:-1] == 0]
    assert (rate.k, rate.n) == ((after_zero == 0).sum(), len(after_zero))
    assert repeat_profile(np.zeros(1, int), np.zeros(1)).n == 0


def test_categories_that_share_a_bin_and_unseen_ones_do_not_repeat():
    names = [f"c{i % 60:02}" for i in range(6_000)]
    profile = build_profile({"x": Categories.of(names)})
    binner = FeatureBinner(profile.features)
    keys = repeatable(binner.bins({"x": Categories.of(["c00", "c59", "new", None])}), binner)
    assert keys[0, 0] == 0
    assert np.isinf(keys[0, 1:3]).all()
    assert np.isnan(keys[0, 3])


@pytest.mark.parametrize("held", [0, 1, 30, 49])
@pytest.mark.parametrize("holes", [0.0, 0.4])
def test_a_look_of_one_value_is_never_passed_by(held, holes):
    rng = np.random.default_rng(held)
    names, n, seen = ["flag", "still", "varied"], 230, 0
    columns = {name: rng.normal(size=2_000) for name in names} | {"word": Categories.of(["a", "b"] * 1_000)}
    binner = FeatureBinner(build_profile(columns).features)
    for _ in range(40):
        rows = {
            "flag": (rng.random(n) < 0.9).astype(float),
            "still": np.full(n, 0.1),
            "varied": rng.normal(size=n),
        }
        rows = {name: np.where(rng.random(n) < holes, np.nan, column) for name, column in rows.items()}
        rows["word"] = Categories((rng.random(n) < 0.03).astype(np.int32), ("a", "b"))
        bins, looks = binner.bins(rows), Looks(4, binner.width)
        looks.take(bins.codes[:, :held], np.arange(held), np.zeros(held)) if held else None
        keys = repeatable(bins.take(slice(held, n)), binner)
        taken = looks.take(bins.codes[:, held:], np.arange(n - held), np.zeros(n - held))
        may = may_repeat(bins.take(slice(held, n)), taken.counts, held)
        ends = np.arange(LOOK - held, n - held + 1, LOOK)
        for start, end in zip(np.maximum(ends - LOOK, 0), ends, strict=True):
            present = np.isfinite(keys[:, start:end])
            flat = [len(set(row[there])) == 1 for row, there in zip(keys[:, start:end], present, strict=True)]
            whole = held == 0 or start > 0  # of the first one some rows came before
            assert not whole or all(may[np.array(flat)])
            seen += sum(flat)
        assert not may[binner.names.index("varied")]
    assert seen > 40


def test_missing_values_neither_make_nor_break_a_run():
    rng = np.random.default_rng(2)
    profile = build_profile({"x": rng.normal(size=2_000)})
    evidence = RepeatEvidence([profile.features["x"].repeats], 1, 0.05)
    binner = FeatureBinner(profile.features)
    holes = np.where(rng.random(200) < 0.5, np.nan, 1.25)
    evidence.update_many(repeatable(binner.bins({"x": holes}), binner), np.arange(200), np.arange(200) * 1e-6)
    alarms = evidence.take_alarms()
    assert sum(alarm.n for alarm in alarms) == np.isfinite(holes).sum()
    assert {alarm.onset_us for alarm in alarms} == {0}

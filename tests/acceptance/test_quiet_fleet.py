"""A fleet in which nothing happens raises no alert: 83 models × 12 features through `streamgauge replay`."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import signal

from streamgauge.cli.main import main

MODELS, WINDOW, WINDOWS, LEARN = 83, 500, 60, 2_000
WINDOW_US = 300_000_000
START_US = 1_795_255_200_000_000 // WINDOW_US * WINDOW_US

#: .05 expected false alarms of the whole fleet in the time that is replayed.
FLEET = f"alert_budget: {{false_alarms: 0.05, horizon: 300m}}\nmodels: {MODELS}\nstreams: 1200\n"
MODEL = f"model: model-{{}}\ntask: binary\npos_label: 'yes'\nbaseline: {{{{first: {LEARN}}}}}\n"


def words(rng, n, names, shares):
    return pa.array(names).take(pa.array(rng.choice(len(names), n, p=shares)))


def autoregressive(rng, n, phi):
    noise = rng.normal(size=(MODELS, n)) * (1 - phi**2) ** 0.5
    noise[:, 0] /= (1 - phi**2) ** 0.5
    return signal.lfilter([1.0], [1.0, -phi], noise, axis=1)


def features(rng, size):
    """Independent events; those that depend on the ones before them are drawn as whole series."""
    return {
        "normal": rng.normal(size=size),
        "large": rng.normal(1e6, 5.0, size=size),
        "lognormal": rng.lognormal(size=size),
        "heavy": rng.standard_t(3, size=size),
        "uniform": rng.random(size),
        "answer": rng.choice(7, size, p=[0.05, 0.1, 0.2, 0.3, 0.2, 0.1, 0.05]).astype(float),
        "mostly_zero": np.where(rng.random(size) < 0.95, 0.0, rng.lognormal(size=size)),
        "often_missing": np.where(rng.random(size) < 0.1, np.nan, rng.normal(size=size)),
        "job": words(rng, size, ["clerk", "cook", "pilot", "nurse"], [0.5, 0.3, 0.15, 0.05]),
        "city": words(rng, size, [f"city-{i}" for i in range(40)], np.full(40, 1 / 40)),
    }


def write(path: Path, seed: int) -> None:
    """Window by window, each model's 500 predictions at a time, so in the order of their time."""
    rng, size = np.random.default_rng(seed), WINDOW * MODELS
    windows = LEARN // WINDOW + WINDOWS
    series = {"dependent": 0.5, "sluggish": 0.9}
    drawn = {name: autoregressive(rng, windows * WINDOW, phi) for name, phi in series.items()}
    models = pa.array(np.repeat([f"model-{i}" for i in range(MODELS)], WINDOW))
    versions = pa.repeat("1", size)
    writer = None
    for number in range(windows):
        columns = features(rng, size)
        part = slice(number * WINDOW, (number + 1) * WINDOW)
        columns |= {name: values[:, part].ravel() for name, values in drawn.items()}
        time_us = START_US + number * WINDOW_US + np.sort(rng.integers(0, WINDOW_US, size))
        table = pa.table(
            {
                "prediction_id": pa.array(np.arange(number * size, (number + 1) * size)),
                "model": models,
                "version": versions,
                "time": pa.array(time_us, pa.timestamp("us", tz="UTC")),
                "latency_ms": rng.lognormal(3, 0.3, size),
                "prediction": words(rng, size, ["no", "yes"], [0.7, 0.3]),
                "score": rng.beta(2, 4, size),
                "features": pa.StructArray.from_arrays(
                    [pa.array(values) for values in columns.values()], list(columns)
                ),
            }
        )
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_fleet_in_which_nothing_changes_raises_no_alert(tmp_path, seed):
    """996 features, and 83 predictions and scores, in 60 windows of 500 events after the baseline's."""
    write(tmp_path / "predictions.parquet", seed)
    (tmp_path / "monitors.yaml").write_text("---\n".join([FLEET, *(MODEL.format(i) for i in range(MODELS))]))
    arguments = [f"--predictions={tmp_path}/predictions.parquet", f"--monitors={tmp_path}/monitors.yaml"]
    assert main(["replay", *arguments, f"--out={tmp_path}/out"]) == 0
    judged = (tmp_path / "out" / "metrics.jsonl").read_text().count('"baseline_fit"')
    assert judged >= MODELS * WINDOWS * 12
    assert (tmp_path / "out" / "alerts.jsonl").read_text() == ""

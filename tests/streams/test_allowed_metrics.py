"""Which classes a definition may name is said by the settings, and wrong settings say what to do."""

import pytest

from streamgauge.cli.main import main
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.streams.custom_metrics import allowed_metrics

DEFINITION = "model: a\ntask: binary\nmetrics:\n  f2: {metric: river.metrics.FBeta, params: {beta: 2}}\n"


@pytest.mark.parametrize(
    ("paths", "why"),
    {
        "a module that is not there": ("nowhere.metrics.Foo", "cannot import nowhere.metrics.Foo"),
        "a class that is not there": ("river.metrics.Foo", "has no attribute 'Foo'"),
        "no path": ("FBeta", "write the full path of a class"),
        "another class": ("pathlib.Path", "no subclass of river.metrics.base.Metric"),
        "a function": ("json.loads", "no subclass of river.metrics.base.Metric"),
    }.values(),
)
def test_what_cannot_be_allowed_is_told(paths, why):
    with pytest.raises(ConfigurationError, match=why):
        allowed_metrics(paths)


def test_nothing_is_allowed_unless_it_is_said(tmp_path, monkeypatch, capsys):
    path = tmp_path / "m.yaml"
    path.write_text(DEFINITION)
    monkeypatch.chdir(tmp_path)
    assert main(["monitors", "validate", str(path)]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"{path}:4: metrics.f2: river.metrics.FBeta is not allowed")
    assert "STREAMGAUGE_CUSTOM_METRICS" in told
    monkeypatch.setenv("STREAMGAUGE_CUSTOM_METRICS", "river.metrics.FBeta")
    assert main(["monitors", "validate", str(path)]) == 0

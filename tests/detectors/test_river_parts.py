"""What River loads and a worker doesn't use is loaded when somebody uses it, and works as ever."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

PARTS = "import streamgauge.detectors.river_parts"
WORKER = "import streamgauge.streams.worker, streamgauge.streams.core.partition"
#: Of River's, SciPy's and others' modules, one each of which only their full loading has.
UNUSED = "{'scipy.stats.distributions', 'river.stream.iter_csv', 'pandas', 'sklearn'}"
LOADED = f"import sys; print(*sorted({UNUSED} & sys.modules.keys()))"


def printed(*lines: str) -> str:
    """By a process of its own, in which a warning is an error."""
    script = "\n".join(lines)
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_worker_loads_no_statistics_and_no_data_sets_that_it_does_not_use() -> None:
    assert printed(WORKER, LOADED) == ""


@pytest.mark.parametrize(
    ("use", "result", "loaded"),
    [
        (  # of two classes .5 and 1 are found
            "from river.metrics import GeometricMean as Mean\n"
            "mean = Mean()\n"
            "for true, predicted in ('aa', 'ab', 'bb', 'bb'): mean.update(true, predicted)\n"
            "from river.datasets import Phishing\n"
            "print(round(mean.get(), 6), sum(1 for row in Phishing()))",
            "0.707107 1250",
            {"scipy.stats.distributions", "river.stream.iter_csv"},
        ),
        (
            "from scipy.stats import norm\nimport scipy.stats\nprint(norm.cdf(0), norm is scipy.stats.norm)",
            "0.5 True",
            {"scipy.stats.distributions"},
        ),
        (
            "from river import stream\nprint(next(stream.iter_array([[1]], [2])))",
            "({0: 1}, 2)",
            {"river.stream.iter_csv"},
        ),
    ],
)
def test_what_is_used_is_loaded_and_works(use: str, result: str, loaded: set[str]) -> None:
    first, last = printed(PARTS, use, LOADED).splitlines()
    assert first == result
    assert loaded <= set(last.split())


def test_where_all_was_loaded_before_that_stays() -> None:
    before = "import scipy.stats, river.stream\nfirst = scipy.stats, river.stream"
    assert printed(before, PARTS, "print(first == (scipy.stats, river.stream))") == "True"
